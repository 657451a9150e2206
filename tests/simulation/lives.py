"""Rarer kinds of lives: each seed may have some, drawn apart from everything else.

So a seed without any of them runs exactly as it would if they did not exist, and most seeds have none.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from tests.fakes.memory import START
from tests.simulation.fault_injection import Fault, FaultInjector, JobBehavior, Rates
from tests.simulation.remade_files import remake
from tests.simulation.scenario import CLIENT, File, Scenario, as_body, as_transactions


class Kind(StrEnum):
    """What is special about a life."""

    KEYED_BODY = "a body from the API with a key"
    BARE_BODY = "a body from the API without a key"
    REVERSAL = "batches are reversed"
    REMADE = "people make a file anew and drop it again"
    TWO_STACKS = "each function runs twice at once"
    CLOCK_SKEW = "clocks differ by up to 2 s"
    TABLE_THROTTLES = "the table refuses writes for a while"
    BUCKET_UNAVAILABLE = "S3 answers 503 for a while"
    SECRET_UNREADABLE = "the secret can't be read for a while"
    TOPIC_FAILS = "topic or bus fails for a while"
    TRANSACTIONS = "files are sent as transactions"


SHARE: Final = 0.03
"""How many lives, of one, have each rarer kind: all together leave three lives in four as they were."""

TRANSACTIONS_SHARE: Final = 0.34
"""How many lives are of files that are sent as transactions, beside all that is rarer."""

SKEW_MAX: Final = timedelta(seconds=2)
"""How far the clock of an invocation is off at most."""

BODIES: Final = frozenset({Kind.KEYED_BODY, Kind.BARE_BODY})

OUTAGES: Final = frozenset(
    {Kind.TABLE_THROTTLES, Kind.BUCKET_UNAVAILABLE, Kind.SECRET_UNREADABLE, Kind.TOPIC_FAILS}
)

FaultOf = Callable[[str, bool, bool], Fault | None]
"""What happens at a call, as ``FaultInjector.fault`` says."""

_TABLE_WRITES: Final = frozenset(
    {
        "add_chunks", "claim_content", "claim_notification", "create_batch", "record_notification",
        "record_remainder", "record_reversal", "record_sending", "register_rows",
        "save_and_record_sending", "save_batch", "save_chunk", "split_chunk", "take_slot", "take_block",
    }
)  # fmt: skip
_NO_KEYS: Final = (Fault.NO_SECRET, Fault.SECRET_BUSY)


@dataclass(frozen=True)
class Outage:
    """Calls that fail from one time to another, all or some of them."""

    kind: Kind
    start: datetime
    end: datetime
    share: float
    names: frozenset[str]
    fault: Fault = Fault.ERROR_BEFORE

    def concerns(self, port: str, name: str) -> bool:
        """Whether a call is one of those that may fail."""
        match self.kind:
            case Kind.BUCKET_UNAVAILABLE:
                return port == "files"
            case Kind.SECRET_UNREADABLE:
                return port == "gameball"
            case _:
                return name in self.names


@dataclass(frozen=True)
class Body:
    """One body to post, perhaps with a key, and perhaps with another body under the same key afterwards."""

    file: File
    key: str | None
    posted_at_s: float
    is_key_used_again: bool = False


@dataclass(frozen=True)
class Call:
    """One manual transaction that a client of the API posts."""

    name: str
    fields: Mapping[str, Any]
    posted_at_s: float


@dataclass(frozen=True)
class Life:
    """The kinds of one life, when which calls of it fail, and what is posted to the API."""

    kinds: frozenset[Kind] = frozenset()
    outages: tuple[Outage, ...] = ()
    bodies: tuple[Body, ...] = ()
    calls: tuple[Call, ...] = ()

    @property
    def has_reversals(self) -> bool:
        """Whether a person takes batches back."""
        return Kind.REVERSAL in self.kinds

    @property
    def has_remade_files(self) -> bool:
        """Whether people make files anew."""
        return Kind.REMADE in self.kinds

    @property
    def has_two_stacks(self) -> bool:
        """Whether every invocation runs twice at once."""
        return Kind.TWO_STACKS in self.kinds

    @property
    def has_skew(self) -> bool:
        """Whether clocks differ."""
        return Kind.CLOCK_SKEW in self.kinds

    def fault_of(self, injector: FaultInjector, now: Callable[[], datetime], port: str, name: str) -> FaultOf:
        """What decides on the faults of a call: the outages of this life, and then the faults of the run."""
        outages = [outage for outage in self.outages if outage.concerns(port, name)]
        usual = injector.fault_of_sending if name == "adjust_balances" else injector.fault
        if not outages:
            return usual

        def fault(port: str, is_write: bool, can_freeze: bool) -> Fault | None:
            for outage in outages:
                if outage.start <= now() < outage.end and injector.random.random() < outage.share:
                    injector.record(outage.kind)
                    return outage.fault
            return usual(port, is_write, can_freeze)

        return fault


ORDINARY: Final = Life()


def kinds_of(seed: int) -> frozenset[Kind]:
    """The kinds of a seed's life: none, mostly."""
    draw = random.Random(f"kinds of {seed}").random
    shares = {Kind.TRANSACTIONS: TRANSACTIONS_SHARE}
    return frozenset(kind for kind in Kind if draw() < shares.get(kind, SHARE))


def rates_of(kinds: frozenset[Kind], rates: Rates) -> Rates:
    """How often what goes wrong: functions that run twice at once have to come between each other, and where
    a jobId may be lost, its job has to end in the quiet time.
    """
    if kinds - {Kind.TRANSACTIONS}:
        behaviors = tuple(
            JobBehavior.SLOW if behavior is JobBehavior.CRAWLS else behavior for behavior in rates.behaviors
        )
        rates = replace(rates, behaviors=behaviors)
    if Kind.TWO_STACKS not in kinds:
        return rates
    return replace(rates, interleaved=1.0, freeze=max(rates.freeze, 0.03))


def make_life(rng: random.Random, kinds: frozenset[Kind], scenario: Scenario) -> tuple[Life, Scenario]:
    """Draw what is special of a life; bodies may take the place of the first file."""
    if Kind.TRANSACTIONS in kinds:
        scenario = _as_transactions(rng, scenario)
    outages = [_outage(rng, kind, scenario.faults_end_s) for kind in Kind if kind in kinds & OUTAGES]
    bodies = [_body(rng, kind, scenario.files[0]) for kind in Kind if kind in kinds & BODIES]
    if bodies and rng.random() < 0.7:
        scenario = replace(scenario, files=scenario.files[1:])
    if Kind.REMADE in kinds:
        remade = remake(rng, scenario.files[0]) if scenario.files else ()
        scenario = replace(scenario, files=(*scenario.files, *remade))
    files = (*scenario.files, *(body.file for body in bodies))
    calls = _calls(rng, files) if Kind.TRANSACTIONS in kinds else ()
    return Life(kinds, tuple(outages), tuple(bodies), calls), scenario


def _as_transactions(rng: random.Random, scenario: Scenario) -> Scenario:
    """The same lives, with files that are sent as transactions; a second file may go as a batch."""
    seed = rng.random()
    files = [
        file if number and rng.random() < 0.3 else as_transactions(random.Random(seed), file)
        for number, file in enumerate(scenario.files)
    ]
    account = scenario.account
    if scenario.faults_end_s and rng.random() < 0.08:
        start = START + timedelta(seconds=rng.choice((0.0, 0.5, 5.0, 600.0)))
        hours = timedelta(hours=rng.choice((0.1, 1.0, 7.0)))
        account = replace(account, unreachable=((start, start + hours),))
    stops_at_s = scenario.person_stops_at_s
    if rng.random() < 0.15:
        stops_at_s = rng.choice((0.5, 1.5, 3.0, 6.0, 130.0))
    return replace(scenario, files=tuple(files), account=account, person_stops_at_s=stops_at_s)


def _calls(rng: random.Random, files: Sequence[File]) -> tuple[Call, ...]:
    """Manual transactions of the files' customers, some with a row's id and perhaps its content."""
    rows = [(file, row) for file in files if file.is_transactions for row in file.rows]
    rows = [(file, row) for file, row in rows if not row.is_bad]
    if not rows or rng.random() < 0.5:
        return ()
    named = [(file, row) for file, row in rows if row.own_id]
    calls = []
    for number in range(rng.randint(1, 3)):
        file, row = rng.choice(named or rows)
        is_same = bool(row.own_id) and rng.random() < 0.7
        # a deduction that the balance allows once: sent again, it may be refused for what it has done itself
        another = Decimal(-700_000 - number if number % 2 else 70_000 + number)
        amount = Decimal(row.amount) if is_same and rng.random() < 0.7 else another
        fields: dict[str, Any] = {
            "customerId": row.customer,
            "transactionId": row.own_id if is_same else f"call-{number}",
            "username": CLIENT,
            "reason": "a call",
            "points" if file.has_points else "amount": int(amount) if file.has_points else amount,
        }
        calls.append(Call(f"call-{number}", fields, rng.choice((0.0, 0.3, 1.0, 3.0, 100.0))))
    return tuple(calls)


def _body(rng: random.Random, kind: Kind, file: File) -> Body:
    """A body with the rows of a file, as far as JSON can hold them; what is no number there is 0 here."""
    rows = tuple(replace(row, amount="0") if row.amount == "nope" else row for row in file.rows)
    is_keyed = kind is Kind.KEYED_BODY
    key = "key-of-a-client" if is_keyed else None
    name = "a body with a key" if is_keyed else "a body without a key"
    made = as_body(file, rows) if file.is_transactions else File("", rows)
    posted = replace(made, key=name, is_named=is_keyed)
    return Body(posted, key, rng.choice((0.0, 1.0, 100.0)), is_keyed and rng.random() < 0.3)


def _outage(rng: random.Random, kind: Kind, faults_end_s: float) -> Outage:
    """One that ends before faults do."""
    start_s = rng.choice((0.0, 1.0, 10.0, 60.0, 600.0))
    lasts_s = rng.choice((3.0, 30.0, 300.0, 3000.0, 12_000.0))
    names: Sequence[str] = ()
    fault = Fault.ERROR_BEFORE
    if kind is Kind.TABLE_THROTTLES:
        names = tuple(_TABLE_WRITES)
    elif kind is Kind.TOPIC_FAILS:
        names = rng.choice((("mail",), ("announce",), ("mail", "announce")))
        start_s, lasts_s = rng.choice((0.0, 60.0)), rng.choice((600.0, 12_000.0))
    elif kind is Kind.SECRET_UNREADABLE:
        fault = rng.choice(_NO_KEYS)
    start, end = min(start_s, faults_end_s), min(start_s + lasts_s, faults_end_s)
    return Outage(
        kind,
        START + timedelta(seconds=start),
        START + timedelta(seconds=end),
        rng.choice((0.5, 1.0, 1.0)),
        frozenset(names),
        fault,
    )
