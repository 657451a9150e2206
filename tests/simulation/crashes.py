"""A small batch, killed before and after every single call, under every answer to its first request."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from tests.fakes.memory import START
from tests.simulation.fault_injection import Answer, Fault, FaultInjector, JobBehavior, Rates
from tests.simulation.model import Account
from tests.simulation.scenario import File, InputRow, Scenario
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

ROWS = (("cust-1", "1"), ("cust-2", "2"), ("cust-1", "-3.5"))
"""Two chunks, since one customer comes twice."""

CANARY_ROWS = tuple((f"cust-{number}", str(number)) for number in range(1, 6))
"""Two canaries of one row, and two chunks behind them."""


@dataclass
class Script(FaultInjector):
    """Faults by a script: one kill at a numbered call, and the answers to the first requests."""

    first_answers: tuple[Answer, ...] = ()
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

    def behavior(self) -> JobBehavior:
        """Jobs do what they should."""
        return JobBehavior.GOOD


def run_case(answer_class: str, killed_at: int, kill: Fault) -> tuple[Result, int]:
    """Run one case; what it came to, and how many calls it made."""
    first = (Answer(answer_class),) if answer_class in set(Answer) else _CANARY_ANSWERS.get(answer_class, ())
    script = Script(random.Random(1), Rates(), first_answers=first, killed_at=killed_at, kill=kill)
    return run(_scenario(answer_class), script), script.calls


def cases(answer_class: str) -> Iterator[tuple[int, Fault, Result]]:
    """Every case of one class of answer."""
    _, calls = run_case(answer_class, 0, Fault.KILL_BEFORE)
    for number in range(1, calls + 1):
        for kill in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            yield number, kill, run_case(answer_class, number, kill)[0]


def _scenario(answer_class: str) -> Scenario:
    has_canary = answer_class in _CANARY_ANSWERS
    rows = tuple(
        InputRow(line, customer, amount, "goodwill", is_bad=False)
        for line, (customer, amount) in enumerate(CANARY_ROWS if has_canary else ROWS, start=2)
    )
    outage = ((START, START + timedelta(hours=1)),) if answer_class == UNAUTHORIZED_FOR_LONG else ()
    refused = frozenset({"cust-2"}) if answer_class == REFUSED else frozenset()
    return Scenario(
        files=(File("inbox/small.csv", rows),),
        account=Account(refused=refused, key_outages=outage),
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
