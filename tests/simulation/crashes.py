"""A small batch, killed before and after every single call, under every answer to its first request."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from tests.fakes.memory import START
from tests.simulation.fault_injection import Answer, Fault, FaultInjector, JobBehavior, Rates, RowAnswer
from tests.simulation.model import Account
from tests.simulation.scenario import TRANSACTIONS_HEADER, File, InputRow, Scenario
from tests.simulation.simulator import Result, run

REFUSED = "refused"
UNAUTHORIZED_FOR_LONG = "unauthorized for an hour"
CANARY_LOST = "the canary's answer lost"
CANARIES_LOST = "both canaries' answers lost"
CLASSES = (
    *(answer.value for answer in Answer),
    REFUSED,
    UNAUTHORIZED_FOR_LONG,
    CANARY_LOST,
    CANARIES_LOST,
)
"""What Gameball may do with the first request, applied and not; and with those that are canaries."""

_CANARY_ANSWERS = {
    CANARY_LOST: (Answer.LOST_APPLIED,),
    CANARIES_LOST: (Answer.ERROR_NOT_APPLIED, Answer.LOST_APPLIED),
}

OF_ROWS = "transactions: "
AWAY = "Gameball away until past the deadline"
ROW_CLASSES = tuple(
    OF_ROWS + name for name in (*(answer.value for answer in RowAnswer), REFUSED, UNAUTHORIZED_FOR_LONG, AWAY)
)
"""The same of a file that is sent as transactions, and what it does with the first of them."""

EACH_CALL_MAX, EACH_NTH = 200, 5
"""Of a life with more calls than this, only each fifth of the rest is killed."""

ROWS = (("cust-1", "1"), ("cust-2", "2"), ("cust-1", "-3.5"))
"""Two chunks, since one customer comes twice."""

CANARY_ROWS = tuple((f"cust-{number}", str(number)) for number in range(1, 6))
"""Two canaries of one row, and two chunks behind them."""


@dataclass
class Script(FaultInjector):
    """Faults by a script: one kill at a numbered call, and the answers to the first requests."""

    first_answers: tuple[Answer, ...] = ()
    first_row_answer: RowAnswer = RowAnswer.ACCEPTED
    killed_at: int = 0
    kill: Fault = Fault.KILL_BEFORE
    calls: int = 0
    answers: list[Answer] = field(default_factory=list)

    def fault(self, port: str, is_write: bool, can_freeze: bool) -> Fault | None:
        """Kill at the call, and at no other."""
        if port == "clock":
            return None  # no call to anything outside
        self.calls += 1
        return self.kill if self.calls == self.killed_at else None

    def answer(self) -> Answer:
        """Give each of the first answers once, and then take everything."""
        given = len(self.answers)
        self.answers.append(self.first_answers[given] if given < len(self.first_answers) else Answer.ACCEPTED)
        return self.answers[-1]

    def row_answer(self) -> RowAnswer:
        """Give the first answer once, and then take everything."""
        answer, self.first_row_answer = self.first_row_answer, RowAnswer.ACCEPTED
        return answer

    def behavior(self) -> JobBehavior:
        """Jobs do what they should."""
        return JobBehavior.GOOD


def run_case(answer_class: str, killed_at: int, kill: Fault) -> tuple[Result, int]:
    """Run one case; what it came to, and how many calls it made."""
    script = Script(random.Random(1), Rates(), killed_at=killed_at, kill=kill)
    name = answer_class.removeprefix(OF_ROWS)
    if answer_class in ROW_CLASSES:
        script.first_row_answer = RowAnswer(name) if name in set(RowAnswer) else RowAnswer.ACCEPTED
        return run(_scenario_of_rows(name), script), script.calls
    is_answer = answer_class in set(Answer)
    script.first_answers = (Answer(name),) if is_answer else _CANARY_ANSWERS.get(answer_class, ())
    return run(_scenario(answer_class), script), script.calls


def cases(answer_class: str) -> Iterator[tuple[int, Fault, Result]]:
    """Every case of one class of answer; of the many calls of a long wait only some, as they repeat."""
    _, calls = run_case(answer_class, 0, Fault.KILL_BEFORE)
    numbers = [*range(1, min(calls, EACH_CALL_MAX) + 1), *range(EACH_CALL_MAX + 1, calls + 1, EACH_NTH)]
    for number in numbers:
        for kill in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            yield number, kill, run_case(answer_class, number, kill)[0]


def _scenario(answer_class: str) -> Scenario:
    has_canary = answer_class in _CANARY_ANSWERS
    rows = tuple(
        InputRow(line, customer, amount, "goodwill", is_bad=False)
        for line, (customer, amount) in enumerate(CANARY_ROWS if has_canary else ROWS, start=2)
    )
    return _scenario_of(File("inbox/small.csv", rows), answer_class, has_canary=has_canary)


def _scenario_of_rows(answer_class: str) -> Scenario:
    """The same rows, in money; one has an expiry, and one an id and a time of its own."""
    more: tuple[dict[str, Any], ...] = (
        {"expiry": "30"},
        {"own_id": "own-3", "time": "2026-11-01T12:00:00Z"},
        {},
    )
    rows = tuple(
        replace(InputRow(line, customer, amount, "goodwill", is_bad=False, has_more=True), **fields)
        for line, ((customer, amount), fields) in enumerate(zip(ROWS, more, strict=True), start=2)
    )
    file = File("inbox/small.csv", rows, TRANSACTIONS_HEADER.format(unit="amount"))
    return _scenario_of(file, answer_class, has_canary=False)


def _scenario_of(file: File, answer_class: str, *, has_canary: bool) -> Scenario:
    outage = ((START, START + timedelta(hours=1)),) if answer_class == UNAUTHORIZED_FOR_LONG else ()
    away = ((START, START + timedelta(hours=7)),) if answer_class == AWAY else ()
    refused = frozenset({"cust-2"}) if answer_class == REFUSED else frozenset()
    return Scenario(
        files=(file,),
        account=Account(refused=refused, key_outages=outage, unreachable=away),
        chunk_rows_max=2,
        canary_rows=int(has_canary),
        failure_percent_max=20 if has_canary else 100,
        approval_above_rows=0,
        dialect_setting=None,
        faults_end_s=0.0,
        sweep_every_s=1800.0,
        person_approves=True,
        person_stops_at_s=None,
        person_resolves=False,
        tick_times=0,
        adds_token=False,
    )
