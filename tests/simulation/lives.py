"""Rarer kinds of lives: each seed may have some, drawn apart from everything else.

So a seed without any of them runs exactly as it would if they did not exist, and most seeds have none.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tests.fakes.memory import START
from tests.simulation.fault_injection import Fault, FaultInjector, JobBehavior, Rates
from tests.simulation.remade_files import remake
from tests.simulation.scenario import File, Scenario


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


SHARE: Final = 0.03
"""How many lives, of one, have each kind: all together leave three lives in four as they were."""

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
        "save_and_record_sending", "save_batch", "save_chunk", "split_chunk", "take_slot",
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
class Life:
    """The kinds of one life, when which calls of it fail, and the bodies that are posted."""

    kinds: frozenset[Kind] = frozenset()
    outages: tuple[Outage, ...] = ()
    bodies: tuple[Body, ...] = ()

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
    return frozenset(kind for kind in Kind if draw() < SHARE)


def rates_of(kinds: frozenset[Kind], rates: Rates) -> Rates:
    """How often what goes wrong: functions that run twice at once have to come between each other, and where
    a jobId may be lost, its job has to end in the quiet time.
    """
    if kinds:
        behaviors = tuple(
            JobBehavior.SLOW if behavior is JobBehavior.CRAWLS else behavior for behavior in rates.behaviors
        )
        rates = replace(rates, behaviors=behaviors)
    if Kind.TWO_STACKS not in kinds:
        return rates
    return replace(rates, interleaved=1.0, freeze=max(rates.freeze, 0.03))


def make_life(rng: random.Random, kinds: frozenset[Kind], scenario: Scenario) -> tuple[Life, Scenario]:
    """Draw what is special of a life; bodies may take the place of the first file."""
    outages = [_outage(rng, kind, scenario.faults_end_s) for kind in Kind if kind in kinds & OUTAGES]
    bodies = [_body(rng, kind, scenario.files[0]) for kind in Kind if kind in kinds & BODIES]
    if bodies and rng.random() < 0.7:
        scenario = replace(scenario, files=scenario.files[1:])
    if Kind.REMADE in kinds:
        remade = remake(rng, scenario.files[0]) if scenario.files else ()
        scenario = replace(scenario, files=(*scenario.files, *remade))
    return Life(kinds, tuple(outages), tuple(bodies)), scenario


def _body(rng: random.Random, kind: Kind, file: File) -> Body:
    """A body with the rows of a file, as far as JSON can hold them; what is no number there is 0 here."""
    rows = tuple(replace(row, amount="0") if row.amount == "nope" else row for row in file.rows)
    is_keyed = kind is Kind.KEYED_BODY
    key = "key-of-a-client" if is_keyed else None
    name = "a body with a key" if is_keyed else "a body without a key"
    posted = File(name, rows, is_named=is_keyed)
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
