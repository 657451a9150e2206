"""The services on their in-memory ports, with faults at every call, observed by the checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adjustments.batches.files import ObjectWriter
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.unapproved import Unapproved
from adjustments.core import exact_json
from adjustments.core.errors import ConfigurationError, GameballUnavailable, TableUnavailable, WrongState
from adjustments.gameball.rate_limiter import Block, Priority, RateLimiterUnavailable, Resource
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.model import read_manual_transaction
from tests.fakes import memory
from tests.fakes.world import World
from tests.simulation.checks import Checker
from tests.simulation.fault_injection import FREEZES_S, LATE_S, ROW_FREEZES_S, Fault, FaultInjector
from tests.simulation.lives import ORDINARY, SKEW_MAX, Life
from tests.simulation.model import ModelGameball
from tests.simulation.rate_limit import SkewedLimiter
from tests.simulation.scenario import DEFAULT_REASON, DEFAULT_USERNAME, QUIET_MINUTES, Scenario
from tests.simulation.scheduler import Killed, Scheduler, Worker
from tests.simulation.transactions import TransactionChecks
from tests.simulation.two_stacks import LookupsAreExclusive

Step = tuple[datetime, str, str, str, tuple[Any, ...], str | None]
"""One call: its time, worker, port, method, arguments and fault."""

STORE = (
    "batch",
    "batches",
    "chunks",
    "chunks_after",
    "add_chunks",
    "claim_content",
    "record_dry_run",
    "record_remainder",
    "record_reversal",
    "register_rows",
    "registered_rows",
    "remainder_of",
    "reversed_batch",
    "unapproved",
    "claim_notification",
    "record_notification",
    "record_sending",
    "batches_sent_between",
)
CONDITIONAL = ("save_batch", "save_and_record_sending", "save_chunk", "create_batch")
FILES = ("describe", "open", "blocks", "get", "put", "put_new", "names", "versions", "tag")
GAMEBALL = (
    "adjust_balances", "add_manual_transaction", "job_status", "inquire_balances", "stop_job", "transactions",
)  # fmt: skip
LEDGER = ("begin", "complete", "reopen", "forget")
SENDING = ("adjust_balances", "add_manual_transaction")


NAP_S = 0.05
NAPS_MAX = 10
"""Shorter sleeps wait for another thread, for which a thread that is frozen takes long: up to 20 s each."""

GAPS_S = (0.02, 0.1, 1.0)
"""Seconds between two slots of a block, in a life: with many, a person may stop a file while it is sent."""

OTHERS_GO_ON = 0.2
"""How likely another thread of the process goes on first, at each call of a thread."""


class AwsError(Exception):
    """A call to AWS failed after all its retries."""


class LimiterError(AwsError, RateLimiterUnavailable):
    """The table of the rate limiter could not be written."""


class LedgerError(AwsError, TableUnavailable):
    """The table could not be written for a manual transaction's intent."""


class FalseConflict(WrongState):
    """A write took effect and was answered as if it had come too late."""

    def __init__(self, written: tuple[Any, ...]) -> None:
        super().__init__("it was changed meanwhile")
        self.has_job = any(isinstance(arg, Chunk) and arg.state == "submitted" for arg in written)


class SimulatedWorld:
    """One world, with the faults that ``injector`` chooses."""

    def __init__(
        self, scenario: Scenario, injector: FaultInjector, scheduler: Scheduler, life: Life = ORDINARY
    ) -> None:
        self.scenario = scenario
        self.life = life
        self.injector = injector
        self.scheduler = scheduler
        self.trace: list[Step] = []
        self.began_at = scheduler.now
        self.checker = Checker(scenario, scheduler)
        self.checker.skew_max = SKEW_MAX if life.has_skew else timedelta(0)
        self.gameball = ModelGameball(injector, scenario.account, self.checker, self)
        self.gameball.clock_skew = self.draw_skew()
        self.checker.model = self.gameball
        self.services = World(
            self.gameball,
            canary_rows=scenario.canary_rows,
            failure_percent_max=scenario.failure_percent_max,
            approval_above_rows=scenario.approval_above_rows,
            dialect=scenario.dialect_setting,
            adds_token=scenario.adds_token,
            quiet_minutes=QUIET_MINUTES,
            parallel=self._run_in_any_order,
            send_as="auto",
            default_reason=DEFAULT_REASON,
            default_username=DEFAULT_USERNAME,
        )
        services = self.services
        self.checker.read_file = services.files.get
        self.checker.rows = TransactionChecks(
            scheduler,
            self.gameball,
            services.files.get,
            scheduler.now + timedelta(seconds=scenario.answers_from_s),
            self.checker.skew_max,
        )
        self._hook_time()
        self._gap_s = injector.random.choice(GAPS_S)
        self._limiter = self._skewed_limiter() if life.has_skew else None
        self.checker.rows.slot_gap_s = self._limiter.gap_s if self._limiter else self._gap_s
        self._all_chunks = services.store.chunks
        self._hook_store()
        self._hook_files()
        self._hook_gameball()
        self._hook_notifications()
        self._hook_ledger()

    # --- time, as the model feels it ----------------------------------------------------------------------

    def now(self) -> datetime:
        """The time."""
        return self.scheduler.now

    def _now_of_worker(self) -> datetime:
        """The time by the clock of the invocation that reads it."""
        worker = self.scheduler.current
        return self.scheduler.now + worker.skew if worker else self.scheduler.now

    def draw_skew(self) -> timedelta:
        """How far the clock of an invocation is off."""
        return SKEW_MAX * self.injector.random.uniform(-1, 1) if self.life.has_skew else timedelta(0)

    def add_transaction(self, fields: Mapping[str, Any], limit_s: float) -> Any:
        """Post a manual transaction, as the API's function does, and read the answer."""
        began_at = self.scheduler.now

        def remaining_ms() -> int:
            left = began_at + timedelta(seconds=limit_s) - self.scheduler.now
            return max(0, int(left.total_seconds() * 1000))

        transaction = read_manual_transaction(fields, self.now())
        context = CallerContext("a caller", "a request", remaining_ms)
        return exact_json.read(self.services.manual_transactions.add(transaction, context).body)

    def wait(self, seconds: float) -> None:
        """Let the running worker wait."""
        worker = self.scheduler.current
        if worker is None:
            return
        self.scheduler.freeze(worker, seconds)
        if worker.is_killed:
            raise Killed

    def _sleep(self, seconds: float) -> None:
        """Let the running worker sleep: longer and longer where it wakes up only to sleep again."""
        worker = self.scheduler.current
        if worker and seconds < NAP_S:
            worker.naps += 1
            seconds *= 2 ** min(worker.naps - 1, NAPS_MAX)
        self.wait(seconds)

    def _skewed_limiter(self) -> SkewedLimiter:
        """Create a rate limiter with few slots, for functions whose clocks differ."""
        limit = self.injector.random.choice((6, 30, 120))
        services = self.services
        differ_s = 2 * SKEW_MAX.total_seconds()
        return SkewedLimiter(
            limit, differ_s, services.clock, services.ids, lambda: self.scheduler.now.timestamp()
        )

    # --- hooks --------------------------------------------------------------------------------------------

    def _hook_time(self) -> None:
        clock, ids = self.services.clock, self.services.ids
        # the bucket reads its own clock, which is no call of ours and can't be interrupted
        self.services.files._clock = _TrueClock(self.scheduler)
        self._set(
            clock,
            "now",
            self._wrapped("clock", "now", self._now_of_worker if self.life.has_skew else self.now),
        )
        self._set(clock, "sleep", self._sleep)
        self._set(ids, "jitter", self.injector.random.random)

    def _hook_store(self) -> None:
        store, checker = self.services.store, self.checker
        watchers: dict[str, Callable[..., None]] = {
            "save_batch": checker.saved_batch,
            "save_chunk": checker.saved_chunk,
            "split_chunk": checker.split,
            "add_chunks": checker.added_chunks,
        }
        for name in (*STORE, *CONDITIONAL, "split_chunk"):
            effect = getattr(store, name)
            if name in watchers:
                effect = partial(self._watched, effect, watchers[name])
            elif name == "create_batch":
                effect = partial(self._created, effect)
            elif name == "save_and_record_sending":
                effect = partial(self._begun, effect)
            elif name in ("batch", "chunks", "chunks_after"):
                effect = partial(self._seen, name, effect)
            self._set(store, name, self._wrapped("store", name, effect, name in CONDITIONAL))
        for name in ("open_batches", "doubtful_batches"):
            effect = partial(self._indexed, getattr(store, name))
            self._set(store, name, self._wrapped("store", name, effect))

    def _hook_files(self) -> None:
        files = self.services.files
        for name in FILES:
            effect = getattr(files, name)
            if name == "versions":
                effect = partial(_listed, effect)
            elif name == "put_new":
                effect = partial(self._kept_new, effect)
            self._set(files, name, self._wrapped("files", name, effect))
        self._set(files, "writer", partial(self._writing, files.writer))

    def _hook_gameball(self) -> None:
        for name in GAMEBALL:
            effect = getattr(self.gameball, name)
            if name not in SENDING:
                effect = partial(self._called, effect)
            if name == "transactions" and self.life.has_two_stacks:
                effect = partial(self._looked_up, LookupsAreExclusive(self.checker, self.scheduler), effect)
            self._set(self.gameball, name, self._wrapped("gameball", name, effect))
        self._set(
            self.services.rate_limiter,
            "take_slot",
            self._wrapped("rate_limiter", "take_slot", self._take_slot),
        )
        self._set(
            self.services.rate_limiter,
            "take_block",
            self._wrapped("rate_limiter", "take_block", self._take_block),
        )

    def _hook_notifications(self) -> None:
        notifications, checker = self.services.notifications, self.checker

        def mail(subject: str, text: str) -> None:
            checker.mailed(subject)

        self._set(notifications, "mail", self._wrapped("notifications", "mail", mail))
        self._set(notifications, "announce", self._wrapped("notifications", "announce", checker.announced))

    def _hook_ledger(self) -> None:
        ledger = self.services.ports.ledger
        for name in LEDGER:
            call = self._wrapped("ledger", name, getattr(ledger, name))
            self._set(ledger, name, call if name == "begin" else partial(_try, call))

    def hook_executions(self, start: Callable[..., None], is_running: Callable[..., bool]) -> None:
        """Connect the port to the state machines of the environment."""
        executions = self.services.executions
        self._set(executions, "start", self._wrapped("executions", "start", start))
        self._set(executions, "is_running", self._wrapped("executions", "is_running", is_running))

    @staticmethod
    def _set(target: object, name: str, value: Callable[..., Any]) -> None:
        setattr(target, name, value)

    # --- one call -----------------------------------------------------------------------------------------

    def _wrapped(
        self, port: str, name: str, effect: Callable[..., Any], is_conditional: bool = False
    ) -> Callable[..., Any]:
        scheduler, note = self.scheduler, self.trace.append
        fault_of = self.life.fault_of(self.injector, self.now, port, name)
        is_ours = port != "gameball"
        requested = self._requested(name)

        def call(*args: Any, **named: Any) -> Any:
            worker = scheduler.current
            if worker is None or worker.in_call:
                return effect(*args, **named)
            if worker.is_killed or worker.is_thread:
                self._begin_call(worker, port)
            fault = fault_of(port, is_conditional, worker.can_freeze)
            note((scheduler.now, worker.name, port, name, args, fault))
            if requested:  # no lease can be checked later than this
                worker.request = requested(*args)
            if fault:
                self._before(worker, fault, name)
                knew = worker.last_batch, worker.batch_read, worker.snapshot
            worker.in_call = is_ours
            try:
                result = effect(*args, **named)
            finally:
                worker.in_call = False
            if fault is None:
                return result
            if fault is Fault.ERROR_AFTER:  # the worker did not get the answer
                worker.last_batch, worker.batch_read, worker.snapshot = knew
            return self._after(worker, fault, name, args, result)

        return call

    def _requested(self, name: str) -> Callable[..., tuple[str, str]] | None:
        """What checks a request before it goes out, of calls that change balances."""
        checker = self.checker
        if name == "add_manual_transaction":
            return checker.row_requested
        return checker.requested if name == "adjust_balances" else None

    def _before(self, worker: Any, fault: Fault, name: str) -> None:
        if fault is Fault.NO_SECRET:  # known to be unsent: no doubt may come of it
            raise ConfigurationError("the secret can't be read: ResourceNotFoundException")
        if fault is Fault.SECRET_BUSY:
            raise GameballUnavailable("the secret can't be read: nothing was sent")
        self.checker.disturbed(worker)
        match fault:
            case Fault.KILL_BEFORE:
                raise Killed
            case Fault.ERROR_BEFORE:
                raise _error_of(name)
            case Fault.FREEZE_BEFORE if name == "add_manual_transaction":
                self._freeze(worker, ROW_FREEZES_S)
            case Fault.FREEZE_BEFORE:
                self._freeze(worker)

    def _after(self, worker: Any, fault: Fault, name: str, args: tuple[Any, ...], result: Any) -> Any:
        self.checker.disturbed(worker)
        match fault:
            case Fault.KILL_AFTER:
                raise Killed
            case Fault.ERROR_AFTER:
                raise _error_of(name)
            case Fault.FALSE_CONFLICT if name == "create_batch":
                return False
            case Fault.FALSE_CONFLICT:
                raise FalseConflict(args)
            case Fault.FREEZE_AFTER:
                self._freeze(worker)
            case Fault.LATE:
                self._freeze(worker, LATE_S)
        return result

    def _begin_call(self, worker: Worker, port: str) -> None:
        """Begin a call if the process still exists, perhaps after another of its threads has gone on."""
        if port != "clock":
            worker.naps = 0
        if worker.is_thread and self.injector.random.random() < OTHERS_GO_ON:
            self.scheduler.freeze(worker, 0.0)
        if worker.is_killed:
            raise Killed

    def _freeze(self, worker: Any, lengths_s: Sequence[float] = FREEZES_S) -> None:
        self.scheduler.freeze(worker, self.injector.freeze_s(lengths_s))
        worker.is_late = self.scheduler.now >= worker.killed_at
        if worker.is_killed or (worker.is_late and self.injector.random.random() < 0.5):
            raise Killed

    # --- effects that are observed ----------------------------------------------------------------------

    @staticmethod
    def _watched(effect: Callable[..., Any], watcher: Callable[..., None], *args: Any) -> None:
        if len(args) == 3:  # an iterable is looked at twice
            args = (*args[:2], list(args[2]))
        effect(*args)
        watcher(*args)

    def _created(
        self,
        effect: Callable[..., Any],
        batch: Batch,
        chunks: Sequence[Chunk] = (),
        unapproved: Unapproved | None = None,
    ) -> Any:
        is_new = effect(batch, chunks, unapproved)
        if is_new:
            if chunks:
                self.checker.added_chunks(batch.batch_id, batch.plan_id, chunks)
            self.checker.created(batch)
        worker = self.scheduler.current
        if worker and is_new:  # who writes a batch has seen it
            worker.snapshot = (batch, self._all_chunks(batch.batch_id, batch.plan_id))
        return is_new

    def _begun(self, effect: Callable[..., Any], *args: Any) -> None:
        try:
            effect(*args)
        except WrongState:  # what the worker has read is out of date, and it knows
            if worker := self.scheduler.current:
                worker.snapshot = (None, ())
            raise

    def _seen(self, name: str, effect: Callable[..., Any], *args: Any) -> Any:
        found = effect(*args)
        worker = self.scheduler.current
        if worker and name == "batch":
            worker.batch_read = worker.last_batch = found
        elif worker and worker.batch_read and worker.batch_read.batch_id == args[0]:
            # A decision to send rests on a batch and its chunks, read right after it from where sending is.
            # Who reads all chunks looks for one of them, as for that of a jobId which came late.
            if name == "chunks_after":
                worker.snapshot = (worker.batch_read, self._all_chunks(*args[:2]))
            worker.batch_read = None
        return found

    def _kept_new(self, effect: Callable[..., bool], key: str, content: bytes, content_type: str) -> bool:
        """Put the body of a call into the bucket, and let the checks know its content."""
        if not effect(key, content, content_type):
            return False
        worker = self.scheduler.current
        stored, _ = self.services.files._find(key, None)
        if worker and worker.posted_file:
            self.checker.dropped(stored, worker.posted_file)
        return True

    def _called(self, effect: Callable[..., Any], *args: Any) -> Any:
        self.checker.called()
        return effect(*args)

    @staticmethod
    def _looked_up(
        lookups: LookupsAreExclusive, effect: Callable[..., Any], customer_id: str, *args: Any
    ) -> Any:
        lookups.looked_up(customer_id)
        return effect(customer_id, *args)

    def _indexed(self, effect: Callable[..., Any]) -> Iterator[Batch]:
        """Read an index, which is eventually consistent: it may show a batch as it was before."""
        found = list(effect())
        if found and self.injector.happens("stale index"):
            found = [self.checker.earlier.get(batch.batch_id, batch) for batch in found]
        return iter(found)

    def _take_slot(self, resource: Resource, priority: Priority, within_s: float) -> tuple[bool, float]:
        worker = self.scheduler.current
        if worker and self._limiter:
            granted, wait_s = self._limiter.take_slot(worker, resource, priority, within_s)
            worker.slots += granted
            return granted, wait_s
        if self.injector.random.random() < 0.05:
            return False, 0.3
        if worker:
            worker.slots += 1
        return True, 0.0 if self.injector.random.random() < 0.8 else 0.1

    def _take_block(self, resource: Resource, slots_max: int) -> Block:
        worker = self.scheduler.current
        rng = self.injector.random
        if worker and self._limiter:
            block = self._limiter.take_block(worker, resource, slots_max)
        elif rng.random() < 0.05:
            return Block(0, 0.3, self._gap_s)
        else:
            wait_s = 0.0 if rng.random() < 0.8 else 0.1
            block = Block(min(slots_max, rng.choice((1, 4, 48))), wait_s, self._gap_s)
        if worker:
            worker.process.block_slots += block.slots
        return block

    @contextmanager
    def _writing(
        self, effect: Callable[..., Any], key: str, content_type: str, replaces: str | None = None
    ) -> Iterator[ObjectWriter]:
        """Write an object in pieces; the worker may be killed before it appears, and after."""
        point = self._wrapped("files", "finish writing", lambda key: None)
        with effect(key, content_type, replaces) as out:
            yield out
            point(key)
        point(key)

    def _run_in_any_order(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks in any order; one that fails does not stop the others."""
        order = list(tasks)
        self.injector.random.shuffle(order)
        worker = self.scheduler.current
        if worker and worker.can_freeze and len(order) > 1:
            self._run_in_threads(worker, order)
            return
        errors = []
        for task in order:
            try:
                task()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _run_in_threads(self, worker: Worker, tasks: Sequence[Callable[[], None]]) -> None:
        """Run tasks in threads of one process: they interleave at any call, and a kill ends all of them."""
        group = _ThreadGroup(self, worker)
        for task in tasks:
            group.add(task)
        self.scheduler.park(worker)
        if group.is_killed or worker.is_killed:
            raise Killed
        if group.errors:
            raise group.errors[0]


class _TrueClock(memory.ManualClock):
    """A clock whose reading is no call of a worker."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def now(self) -> datetime:
        return self._scheduler.now


class _ThreadGroup:
    """The threads of one process."""

    def __init__(self, world: SimulatedWorld, worker: Worker) -> None:
        self.is_killed = False
        self.errors: list[Exception] = []
        self._world = world
        self._worker = worker
        self._threads: list[Worker] = []
        self._at_work = 0

    def add(self, task: Callable[[], None]) -> None:
        """Schedule a task for now."""
        worker, scheduler = self._worker, self._world.scheduler
        thread = Worker(f"{worker.name}/{len(self._threads) + 1}", True, worker.killed_at)
        thread.is_thread = True
        thread.process = worker
        thread.skew = worker.skew
        thread.last_batch, thread.batch_read, thread.snapshot = (
            worker.last_batch,
            worker.batch_read,
            worker.snapshot,
        )
        self._threads.append(thread)
        self._at_work += 1
        scheduler.after(0.0, partial(scheduler.run, thread, partial(self._run, task)))

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Killed:
            self._kill()
        except Exception as error:
            self.errors.append(error)
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._world.scheduler.wake(self._worker)

    def _kill(self) -> None:
        """End all threads, as one of them was killed."""
        self.is_killed = True
        for thread in self._threads:
            thread.is_killed = True
            self._world.checker.disturbed(thread)


def _error_of(name: str) -> AwsError:
    kind = {"take_slot": LimiterError, "take_block": LimiterError, "begin": LedgerError}.get(name, AwsError)
    return kind(f"{name} failed")


def _try(call: Callable[..., None], *args: Any) -> None:
    """Make a call of the ledger whose failure is logged, and nothing more."""
    with suppress(AwsError):
        call(*args)


def _listed(effect: Callable[..., Any], *args: Any) -> list[Any]:
    return list(effect(*args))
