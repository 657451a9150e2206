"""Runs a seed, and says what happened."""

import hashlib
import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import FunctionType
from typing import Any
from unittest.mock import patch

from adjustments.aws import event_log
from adjustments.batches import payloads, store
from adjustments.batches.next_step import NextStep
from adjustments.batches.records import Batch, Chunk
from adjustments.polling import poller
from adjustments.reconciliation import reconciler
from adjustments.results import report_writer
from adjustments.submission import chunk_builder, duplicates, planner, sender, transaction_sender
from tests.fakes.memory import START
from tests.simulation import scenario as scenarios
from tests.simulation.environment import STEP_SLACK, Environment
from tests.simulation.fault_injection import PROFILES, FaultInjector
from tests.simulation.lives import ORDINARY, Kind, Life, kinds_of, make_life, rates_of
from tests.simulation.scenario import Scenario, make_scenario
from tests.simulation.scheduler import Scheduler, Violation
from tests.simulation.world import SimulatedWorld, Step

STEPS_MAX = 40_000
"""More calls than any run of ours needs: a worker that never rests is a violation of its own."""


_NO_FAULTS = {Kind.TRANSACTIONS}
"""Kinds of which nothing goes wrong."""


@dataclass
class Result:
    """What a run came to."""

    seed: int
    profile: str
    steps: int
    violation: Violation | None
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: tuple[str, ...] = ()
    trace: list[Step] = field(default_factory=list)

    @property
    def trace_hash(self) -> str:
        """Names exactly what happened."""
        digest = hashlib.sha256()
        for step in self.trace:
            digest.update(describe(step).encode())
        return digest.hexdigest()


def run_seed(seed: int) -> Result:
    """Run one seed."""
    rng = random.Random(seed)
    profile = rng.choice(list(PROFILES))
    kinds = kinds_of(seed)
    injector = FaultInjector(rng, rates_of(kinds, PROFILES[profile]))
    scenario = make_scenario(rng, has_faults=profile != "no faults" or bool(kinds - _NO_FAULTS))
    life, scenario = make_life(rng, kinds, scenario) if kinds else (ORDINARY, scenario)
    if Kind.TRANSACTIONS in kinds and scenario.person_stops_at_s is not None:
        injector.rates = replace(injector.rates, interleaved=1.0)  # a stop has to come between two rows
    return run(scenario, injector, seed, profile, life)


def run(
    scenario: Scenario, injector: FaultInjector, seed: int = 0, profile: str = "", life: Life = ORDINARY
) -> Result:
    """Run one scenario with an injector of faults, and perhaps as a life of a rarer kind."""
    scheduler = Scheduler(START)
    with small_limits(scenario):
        world = SimulatedWorld(scenario, injector, scheduler, life)
        is_fault_free = profile == "no faults" and not life.kinds - _NO_FAULTS
        world.checker.is_fault_free = is_fault_free and scenario.person_stops_at_s is None
        with _checking_logs(world):
            violation = _run_to_end(world, Environment(world))
    # a run that a violation cut short has not come to its end, and says nothing of how batches end
    ended = () if violation else world.checker.batches.values()
    statuses = Counter(batch.status.value for batch in ended)
    kinds = tuple(sorted(life.kinds))
    faults = Counter(injector.injected)
    return Result(seed, profile, len(world.trace), violation, faults, statuses, kinds, world.trace)


def _run_to_end(world: SimulatedWorld, environment: Environment) -> Violation | None:
    try:
        environment.begin()
        while world.scheduler.run_next():
            if len(world.trace) > STEPS_MAX:
                raise Violation("everything ends", f"more than {STEPS_MAX} calls")
        world.gameball.advance(world.scheduler.now + timedelta(days=1))
        environment.sweep_last()
        environment.reverse_last()
        environment.resolve_last()
        while world.scheduler.run_next():
            pass
        if world.scheduler.violation:
            raise world.scheduler.violation
        world.checker.check_all(environment.faults_end, STEP_SLACK)
    except Violation as violation:
        return violation
    finally:
        world.scheduler.kill_all()
    return None


_EVERY_LINE = frozenset(logging.makeLogRecord({}).__dict__)


class _LogChecker(logging.Handler):
    """Passes every line of every log to the checks."""

    def __init__(self, world: SimulatedWorld) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        try:
            added = {name: value for name, value in record.__dict__.items() if name not in _EVERY_LINE}
            self._world.checker.logged(f"{record.getMessage()} {added} {record.exc_info}")
        except Violation as violation:
            self._world.scheduler.violation = self._world.scheduler.violation or violation


@contextmanager
def _checking_logs(world: SimulatedWorld) -> Iterator[None]:
    """Check all that is logged. In one run of eight: making log lines takes longer than all the rest."""
    if world.injector.random.randrange(8):
        with patch.object(logging.getLogger(event_log.__name__), "disabled", True):
            yield
        return
    root, ours = logging.getLogger(), logging.getLogger("adjustments")
    handler, level = _LogChecker(world), ours.level
    root.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    try:
        with patch.object(logging, "_srcfile", None):  # where a line comes from costs most
            yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)


@contextmanager
def small_limits(scenario: Scenario) -> Iterator[None]:
    """Make chunks, parts and rounds so small that a few rows show what ten million would."""
    small: list[tuple[Any, str, Any]] = [
        (payloads, "CHUNK_ROWS_MAX", scenario.chunk_rows_max),
        (chunk_builder, "CUSTOMER_ROWS_MAX", scenarios.CUSTOMER_ROWS_MAX),
        (chunk_builder, "PART_BYTES", 128),
        (chunk_builder, "TRANSACTION_CHUNK_ROWS_MAX", scenario.chunk_rows_max),
        (transaction_sender, "_ROWS_MIN", 2),
        (planner, "UNTOUCHED_MAX", 3),
        (sender, "ROUND_CHUNKS_MAX", 3),
        (store, "UNTOUCHED_MAX", 4),
        (poller, "CHECKPOINT_CHUNKS_MIN", 1),
        (reconciler, "CHECKPOINT_CUSTOMERS", 2),
        (duplicates, "_PARTITIONS", 2),
        (report_writer, "render_report", lambda batch, *_: batch.status.value),  # for people's eyes, and slow
    ]
    real = [(module, name, getattr(module, name)) for module, name, _ in small]
    try:
        for module, name, value in small:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in real:
            setattr(module, name, value)


def describe(step: Step) -> str:
    """One line of a trace."""
    at, worker, port, name, args, fault = step
    shown = " ".join(_short(arg) for arg in args)
    seconds = (at - START).total_seconds()
    return f"{seconds:10.2f} {worker:12} {port}.{name} {shown}{f'  ← {fault}' if fault else ''}"


def _short(arg: object) -> str:
    match arg:
        case Batch():
            reasons = f"{arg.stop_reason[:12]} {arg.pause_reason[:12]}"
            return f"batch({arg.status} v{arg.version} x{arg.executions} {reasons})"
        case Chunk():
            return f"chunk({arg.chunk_id} {arg.state} v{arg.version} {arg.token} job {arg.job_id})"
        case NextStep():
            return "step"
        case FunctionType():  # its text has an address, which differs each time
            return arg.__name__
        case bytes():
            return f"<{len(arg)} bytes {hashlib.sha256(arg).hexdigest()[:8]}>"
        case dict():
            return f"{{{' '.join(arg)}}}"
        case Iterable() if not isinstance(arg, str | Iterator):
            return f"[{' '.join(_short(item) for item in arg)}]"
        case _:
            return str(arg)[-60:]


__all__ = ["Result", "describe", "run", "run_seed"]
