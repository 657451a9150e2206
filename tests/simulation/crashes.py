"""A small batch, killed before and after every single call, under every answer to its first request."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from tests.fakes.memory import START
from tests.simulation.chance import Answer, Chance, Fate, Fault, Rates
from tests.simulation.model import Facts
from tests.simulation.scenario import File, InputRow, Scenario
from tests.simulation.simulator import Result, run

REFUSED = "refused"
UNAUTHORIZED_FOR_LONG = "unauthorized for an hour"
CLASSES = (*(answer.value for answer in Answer), REFUSED, UNAUTHORIZED_FOR_LONG)
"""What Gameball may do with the first request: each row of the design page's table, applied and not."""

ROWS = (("cust-1", "1"), ("cust-2", "2"), ("cust-1", "-3.5"))
"""Two chunks, since one customer comes twice."""


@dataclass
class Script(Chance):
    """Luck that is decided beforehand: one kill at a numbered call, one answer to the first request."""

    first_answer: Answer = Answer.ACCEPTED
    killed_at: int = 0
    kill: Fault = Fault.KILL_BEFORE
    calls: int = 0
    answers: list[Answer] = field(default_factory=list)

    def fault(self, port: str, is_write: bool, can_freeze: bool) -> Fault | None:
        """Kill at the call, and at no other."""
        if port == "clock":
            return None  # nothing outside is asked
        self.calls += 1
        return self.kill if self.calls == self.killed_at else None

    def answer(self) -> Answer:
        """Give the answer once."""
        self.answers.append(Answer.ACCEPTED if self.answers else self.first_answer)
        return self.answers[-1]

    def fate(self) -> Fate:
        """Jobs do what they should."""
        return Fate.GOOD


def run_case(answer_class: str, killed_at: int, kill: Fault) -> tuple[Result, int]:
    """Run one case; what it came to, and how many calls it made."""
    first = Answer(answer_class) if answer_class in set(Answer) else Answer.ACCEPTED
    script = Script(random.Random(1), Rates(), first_answer=first, killed_at=killed_at, kill=kill)
    return run(_scenario(answer_class), script), script.calls


def cases(answer_class: str) -> Iterator[tuple[int, Fault, Result]]:
    """Every case of one class of answer."""
    _, calls = run_case(answer_class, 0, Fault.KILL_BEFORE)
    for number in range(1, calls + 1):
        for kill in (Fault.KILL_BEFORE, Fault.KILL_AFTER):
            yield number, kill, run_case(answer_class, number, kill)[0]


def _scenario(answer_class: str) -> Scenario:
    rows = tuple(
        InputRow(line, customer, amount, "goodwill", is_bad=False)
        for line, (customer, amount) in enumerate(ROWS, start=2)
    )
    outage = ((START, START + timedelta(hours=1)),) if answer_class == UNAUTHORIZED_FOR_LONG else ()
    refused = frozenset({"cust-2"}) if answer_class == REFUSED else frozenset()
    return Scenario(
        files=(File("inbox/small.csv", rows),),
        facts=Facts(refused=refused, key_outages=outage),
        chunk_rows_max=2,
        canary_rows=0,
        failure_percent_max=100,
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
