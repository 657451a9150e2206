"""What goes wrong, and how often: by chance from a seed, or by a script."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Answer(StrEnum):
    """What Gameball does with a request of adjustments; the promise is the same for all of them."""

    ACCEPTED = "accepted"
    NO_CONNECTION = "no connection"
    THROTTLED = "throttled"
    BUSY = "busy (2001)"
    UNAUTHORIZED = "unauthorized"
    ERROR_NOT_APPLIED = "error, not applied"
    ERROR_APPLIED = "error, applied"
    ERROR_APPLIED_LATE = "error, applied late"
    LOST_NOT_APPLIED = "lost, not applied"
    LOST_APPLIED = "lost, applied"
    LOST_APPLIED_LATE = "lost, applied late"
    NO_JOB_ID_NOT_APPLIED = "no jobId, not applied"
    NO_JOB_ID_APPLIED = "no jobId, applied"

    @property
    def is_unknown(self) -> bool:
        """Whether the answer leaves open what became of the rows."""
        return self in _UNKNOWN

    @property
    def is_applied(self) -> bool:
        """Whether a job comes of it, at once or late."""
        return self is Answer.ACCEPTED or self in _UNKNOWN_APPLIED

    @property
    def is_late(self) -> bool:
        """Whether the job comes only minutes after the answer."""
        return self in (Answer.ERROR_APPLIED_LATE, Answer.LOST_APPLIED_LATE)

    @property
    def is_slow(self) -> bool:
        """Whether the caller waits for its whole read time-out."""
        return self in (Answer.LOST_NOT_APPLIED, Answer.LOST_APPLIED, Answer.LOST_APPLIED_LATE)


_UNKNOWN_APPLIED = frozenset(
    {
        Answer.ERROR_APPLIED,
        Answer.ERROR_APPLIED_LATE,
        Answer.LOST_APPLIED,
        Answer.LOST_APPLIED_LATE,
        Answer.NO_JOB_ID_APPLIED,
    }
)
_UNKNOWN = _UNKNOWN_APPLIED | {
    Answer.ERROR_NOT_APPLIED,
    Answer.LOST_NOT_APPLIED,
    Answer.NO_JOB_ID_NOT_APPLIED,
}


class RowAnswer(StrEnum):
    """What Gameball does with a manual transaction; its id makes it safe to send it again after each."""

    ACCEPTED = "accepted"
    NO_CONNECTION = "no connection"
    THROTTLED = "throttled"
    BUSY = "busy (2001)"
    UNAUTHORIZED = "unauthorized"
    TIME_EXISTS = "time exists (9003)"
    ERROR_NOT_APPLIED = "error, not applied"
    ERROR_APPLIED = "error, applied"
    LOST_NOT_APPLIED = "lost, not applied"
    LOST_APPLIED = "lost, applied"
    LOST_APPLIED_LATE = "lost, applied late"
    NAMELESS_NOT_APPLIED = "names no transaction, not applied"
    NAMELESS_APPLIED = "names no transaction, applied"

    @property
    def is_unknown(self) -> bool:
        """Whether the answer leaves open whether the transaction was applied."""
        return self in _UNKNOWN_ROWS

    @property
    def is_applied(self) -> bool:
        """Whether the transaction is applied, at once or late, unless Gameball refuses it."""
        return self in _APPLIED_ROWS

    @property
    def is_nameless(self) -> bool:
        """Whether the answer is a 200 that names no transaction."""
        return self in (RowAnswer.NAMELESS_APPLIED, RowAnswer.NAMELESS_NOT_APPLIED)

    @property
    def is_slow(self) -> bool:
        """Whether the caller waits for its whole read time-out."""
        return self in (RowAnswer.LOST_NOT_APPLIED, RowAnswer.LOST_APPLIED, RowAnswer.LOST_APPLIED_LATE)


_APPLIED_ROWS = frozenset(
    {
        RowAnswer.ACCEPTED,
        RowAnswer.ERROR_APPLIED,
        RowAnswer.LOST_APPLIED,
        RowAnswer.LOST_APPLIED_LATE,
        RowAnswer.NAMELESS_APPLIED,
    }
)
_UNKNOWN_ROWS = (_APPLIED_ROWS - {RowAnswer.ACCEPTED}) | {
    RowAnswer.ERROR_NOT_APPLIED,
    RowAnswer.LOST_NOT_APPLIED,
    RowAnswer.NAMELESS_NOT_APPLIED,
}


class JobBehavior(StrEnum):
    """What Gameball does with a job that it accepted."""

    GOOD = "good"
    SLOW = "slow"
    CRAWLS = "at work past the deadline"
    FAILS_MIDWAY = "fails midway"
    STOPS_MIDWAY = "stops midway"
    UNLISTED_APPLIED = "rows unlisted, applied"
    UNLISTED_NOT_APPLIED = "rows unlisted, not applied"
    UNLISTED_LATE = "rows unlisted, applied late"
    LISTED_TWICE = "rows in both lists"
    ODD_STATE = "undocumented state"
    ODD_STATE_FOR_EVER = "undocumented state for ever"


class Poll(StrEnum):
    """What Gameball does with a poll of a job."""

    ANSWERED = "answered"
    NO_CONNECTION = "no connection"
    THROTTLED = "throttled"
    UNAUTHORIZED = "unauthorized"
    ERROR = "error"
    GARBLED = "garbled"


class Fault(StrEnum):
    """What happens at a call to anything outside."""

    KILL_BEFORE = "killed before a call"
    KILL_AFTER = "killed after a call"
    FREEZE_BEFORE = "frozen before a call"
    FREEZE_AFTER = "frozen after a call"
    ERROR_BEFORE = "call failed"
    ERROR_AFTER = "call failed after its effect"
    LATE = "frozen long after a request"
    FALSE_CONFLICT = "write took effect and said it was too late"
    NO_SECRET = "secret is gone"
    SECRET_BUSY = "secret can't be read for now"


LATE_S = (400.0, 1000.0)
"""Lengths of freezes past a lease, in which a batch may end."""

ROW_FREEZES_S = (0.5, 4.0, 10.0)
"""Lengths of freezes between the last check before a manual transaction and the request: so short that it
reaches Gameball within a minute after the sender's lease, as the services rely on.
"""

FREEZES_S = (0.5, 5.0, 40.0, 130.0, 400.0, 1000.0)
"""Lengths of freezes: within a lease, past it, past a function's time, past a redelivery."""


_BAD_BEHAVIORS = tuple(behavior for behavior in JobBehavior if behavior is not JobBehavior.GOOD)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things go wrong, in calls of one.

    ``late`` is how often a sender is frozen before it takes Gameball's answer; ``behavior`` is how often a
    job does something unusual, and ``behaviors`` are what it may do.
    """

    kill: float = 0.0
    freeze: float = 0.0
    error: float = 0.0
    false_conflict: float = 0.0
    answer: float = 0.0
    poll: float = 0.0
    behavior: float = 0.0
    environment: float = 0.0
    interleaved: float = 0.0
    late: float = 0.0
    behaviors: tuple[JobBehavior, ...] = _BAD_BEHAVIORS

    @property
    def may_lose_job(self) -> bool:
        """Whether something may keep a jobId from its record: its job has to end in the quiet time."""
        return bool(self.kill + self.freeze + self.error + self.false_conflict + self.late)


PROFILES = {
    "no faults": Rates(),
    "gameball": Rates(answer=0.3, poll=0.15, behavior=0.4),
    "answers": Rates(answer=0.5, behavior=0.1),
    "jobs": Rates(behavior=0.8, poll=0.2),
    "crashes": Rates(kill=0.03, environment=0.3),
    "freezes": Rates(freeze=0.05, interleaved=0.8, environment=0.4),
    "aws": Rates(error=0.04, false_conflict=0.1, environment=0.3),
    "races": Rates(freeze=0.08, interleaved=1.0, environment=0.6, answer=0.2, behavior=0.2),
    "late": Rates(late=0.5, interleaved=1.0, behavior=0.8, behaviors=(JobBehavior.ODD_STATE_FOR_EVER,)),
    "slow jobs": Rates(behavior=0.7, behaviors=(JobBehavior.CRAWLS,)),
    "all at once": Rates(0.015, 0.02, 0.015, 0.03, 0.25, 0.15, 0.3, 0.4, 0.6),
}
"""How often what goes wrong; a run has one of them, so that each kind of fault also comes alone."""


@dataclass
class FaultInjector:
    """Chooses all faults of a run.

    Args:
        random: the run's only source of chance.
        rates: how often what goes wrong.
    """

    random: random.Random
    rates: Rates
    is_over: bool = False
    injected: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rates = self.rates
        self._any_fault = rates.kill + rates.freeze + rates.error + rates.false_conflict

    def hits(self, rate: float) -> bool:
        """Whether something with this rate happens now; nothing does once faults have stopped."""
        return bool(rate) and not self.is_over and self.random.random() < rate

    def happens(self, what: str) -> bool:
        """Whether something unusual happens in the environment now."""
        return self.hits(self.rates.environment) and self._recorded(what)

    def record(self, what: str) -> None:
        """Count something that went wrong."""
        self.injected[what] = self.injected.get(what, 0) + 1

    def _recorded(self, what: str) -> bool:
        self.record(what)
        return True

    def fault(self, port: str, is_write: bool, can_freeze: bool) -> Fault | None:
        """What happens at this call."""
        if self.is_over or (draw := self.random.random()) >= self._any_fault:
            return None
        rates = self.rates
        if (draw := draw - rates.kill) < 0:
            return self._injected(self.random.choice((Fault.KILL_BEFORE, Fault.KILL_AFTER)))
        if (draw := draw - rates.freeze) < 0:
            if not can_freeze:
                return None
            freeze = self.random.choice((Fault.FREEZE_BEFORE, Fault.FREEZE_AFTER))
            # the clock can't be read faster than time passes
            return self._injected(Fault.FREEZE_BEFORE if port == "clock" else freeze)
        if port in ("gameball", "clock"):
            return None
        if (draw := draw - rates.error) < 0:
            return self._injected(self.random.choice((Fault.ERROR_BEFORE, Fault.ERROR_AFTER)))
        if is_write and draw < rates.false_conflict:
            return self._injected(Fault.FALSE_CONFLICT)
        return None

    def _injected(self, fault: Fault) -> Fault:
        self._recorded(fault)
        return fault

    def fault_of_sending(self, port: str, is_write: bool, can_freeze: bool) -> Fault | None:
        """What happens at a request of adjustments: now and then its sender takes the answer late."""
        fault = self.fault(port, is_write, can_freeze)
        if fault is None and can_freeze and self.hits(self.rates.late):
            return self._injected(Fault.LATE)
        return fault

    def answer(self) -> Answer:
        """What becomes of the next request of adjustments."""
        if not self.hits(self.rates.answer):
            return Answer.ACCEPTED
        answer = self.random.choice(_BAD_ANSWERS)
        self._recorded(f"answer: {answer}")
        return answer

    def row_answer(self) -> RowAnswer:
        """What becomes of the next manual transaction."""
        if not self.hits(self.rates.answer):
            return RowAnswer.ACCEPTED
        answer = self.random.choice(_BAD_ROW_ANSWERS)
        self._recorded(f"row: {answer}")
        return answer

    def poll(self) -> Poll:
        """What becomes of the next poll of a job."""
        if not self.hits(self.rates.poll):
            return Poll.ANSWERED
        poll = self.random.choice(_BAD_POLLS)
        self._recorded(f"poll: {poll}")
        return poll

    def behavior(self) -> JobBehavior:
        """What becomes of the next job."""
        if not self.hits(self.rates.behavior):
            return JobBehavior.GOOD
        behaviors = self.rates.behaviors
        behavior = self.random.choice(behaviors)
        if (
            behavior is JobBehavior.ODD_STATE_FOR_EVER
            and JobBehavior.ODD_STATE in behaviors
            and self.random.random() < 0.7
        ):
            behavior = JobBehavior.ODD_STATE
        self._recorded(f"job: {behavior}")
        return behavior

    def freeze_s(self, lengths_s: Sequence[float] = FREEZES_S) -> float:
        """How long a worker is frozen."""
        return self.random.choice(lengths_s) * (0.5 + self.random.random())


_BAD_ANSWERS = tuple(answer for answer in Answer if answer is not Answer.ACCEPTED)
_BAD_ROW_ANSWERS = tuple(answer for answer in RowAnswer if answer is not RowAnswer.ACCEPTED)
_BAD_POLLS = tuple(poll for poll in Poll if poll is not Poll.ANSWERED)
