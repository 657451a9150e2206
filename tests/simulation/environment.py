"""What AWS and people do: the queue, state machines, sweeps, approvals."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from adjustments.administration.service import ApprovalRequest
from adjustments.batches.files import StoredObject
from adjustments.batches.records import Batch
from adjustments.core.errors import AdjustmentsError, ConfigurationError, WrongState
from adjustments.polling.poller import answer_of
from adjustments.reconciliation.resolution import ResolveRequest
from tests.fakes.memory import START
from tests.simulation.checks import FINAL, fail
from tests.simulation.clients import Client
from tests.simulation.remade_files import read_new_rows
from tests.simulation.reversals import Reverser
from tests.simulation.scenario import File
from tests.simulation.scheduler import Killed, Worker
from tests.simulation.transaction_clients import TransactionClient
from tests.simulation.world import AwsError, FalseConflict, SimulatedWorld

VISIBILITY_S = 960.0
RECEIVES_MAX = 5
STEP_SLACK = timedelta(hours=3)
"""Time after a deadline for a sweep, a lease, a longer wait, and the retries of a step."""

KEEPS_JOBS_AT_S = 30.0
"""A person who stops a batch at this time lets its running jobs end."""


LAST_DAYS = 2
LAST_SWEEPS_A_DAY = 4
"""Sweeps after everything else has ended."""


@dataclass
class Execution:
    """One execution of the state machine (statemachines/poll_batch.asl.json)."""

    name: str
    batch_id: str
    status: str = "RUNNING"
    step: str = "PollJobs"
    attempt: int = 0
    tries: int = 0
    ticks: int = 0
    wait_s: float = 0.0


@dataclass
class Message:
    """A message of the intake queue."""

    take: Callable[[], Any]
    receives: int = 0
    is_processed: bool = False

    def done(self, is_good: bool, result: Any) -> None:
        """Record that an invocation with it has ended."""
        self.is_processed = self.is_processed or is_good


@dataclass(frozen=True)
class Task:
    """A step's time-out and retries, as the state machine has them."""

    time_limit_s: float
    retries_max: int
    interval_s: float


TASKS = {
    "PollJobs": Task(330, 6, 2),
    "SubmitMore": Task(330, 6, 2),
    "WriteReport": Task(930, 4, 5),
    "Notify": Task(60, 6, 5),
}


class Environment:
    """Drives a world from the first drop to the end."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.services = world.services
        self.scheduler = world.scheduler
        self.injector = world.injector
        self.executions: dict[str, Execution] = {}
        self.messages = 0
        self.is_settled = False
        self.never_approved: set[str] = set()
        self._new_rows_dropped: set[str] = set()
        self.reverser: Reverser | None = None
        self.faults_end = START + timedelta(seconds=world.scenario.faults_end_s)
        world.hook_executions(self._start, self._is_running)
        self.services.intake.put = self._queue  # type: ignore[method-assign]
        self.services.intake.put_recurring = self._queue_recurring  # type: ignore[method-assign]

    def begin(self) -> None:
        """Schedule everything that does not follow from something else."""
        scenario = self.world.scenario
        for file in scenario.files:
            self.scheduler.after(file.dropped_at_s, lambda file=file: self._drop(file))  # type: ignore[misc]
        self.scheduler.after(scenario.sweep_every_s, self._sweep)
        self.scheduler.after(scenario.faults_end_s, self._end_faults)
        self._schedule_special_events()
        if scenario.approval_above_rows or len(scenario.files) + len(self.world.life.bodies) > 1:
            self.scheduler.after(60.0, self._approve)
        if scenario.person_stops_at_s is not None:
            self.scheduler.after(scenario.person_stops_at_s, self._stop)

    def _schedule_special_events(self) -> None:
        """Schedule bodies from the API, and reversals, if the life has them."""
        life, checker = self.world.life, self.world.checker
        for body in life.bodies:
            client = Client(self.world, body, self._invoke)
            self.scheduler.after(body.posted_at_s, client.post)
            checker.at_end.append(client.check)
        for call in life.calls:
            checker.rows.posted[call.name] = call.fields
            caller = TransactionClient(self.world, call, self._invoke)
            self.scheduler.after(call.posted_at_s, caller.post)
            checker.at_end.append(caller.check)
        if life.has_reversals:
            self.reverser = Reverser(self.world, self._invoke, self._drop, self._wait)
            checker.on_created.append(self.reverser.created)
            checker.on_applied.append(self.reverser.applied)
            self.reverser.begin()

    def _wait(self, change: int) -> None:
        """Count what is still to be done by a person, so that the run does not end before it."""
        self.messages += change

    def reverse_last(self) -> None:
        """Let a person reverse batches once all doubt is cleared that can be."""
        if self.reverser:
            self.reverser.reverse_batches()

    def _end_faults(self) -> None:
        self.injector.is_over = True

    # --- drops and their queue ----------------------------------------------------------------------------

    def _drop(self, file: File) -> None:
        stored = self.services.files.drop(file.key, file.text.encode(), dict(file.metadata))
        self.world.checker.dropped(stored, file)
        rng = self.injector.random
        if file.key.startswith("recurring/"):
            due = self.scheduler.now
            for _ in range(self.world.scenario.tick_times):
                self._send(lambda: self.services.recurring_files.queue(due), rng.choice((0.0, 1.0, 300.0)))
            return

        def take() -> Any:
            return self.services.triggers.submit_object(stored.key, stored.version_id, is_copy=file.is_copy)

        if not self.injector.happens("event lost"):
            self._send(take, rng.random() * 3)
        if self.injector.happens("event delivered twice"):
            self._send(take, rng.choice((0.0, 2.0, 60.0, 4000.0)))

    def _queue(self, stored: StoredObject) -> None:
        """Queue a missed object that the sweep has found."""
        self.world.checker.repeated_rows.missed.add((stored.key, stored.version_id))
        self._send(
            lambda: self.services.triggers.submit_object(
                stored.key,
                stored.version_id,
                stored.modified_at,
                is_copy=True,  # without its event, nobody knows
            ),
            1.0,
        )

    def _queue_recurring(self, key: str, due_at: datetime) -> None:
        """Queue a file of a tick."""
        self._send(lambda: self.services.recurring_files.submit(key, due_at), 1.0)

    def _send(self, take: Callable[[], Any], delay_s: float) -> None:
        """Put a message on the queue: it is delivered until it is processed, five times at most."""
        self.messages += 1
        message = Message(take)
        self.scheduler.after(delay_s, partial(self._receive, message))

    def _receive(self, message: Message) -> None:
        if message.is_processed or message.receives == RECEIVES_MAX:
            self.messages -= 1
            return
        message.receives += 1
        self._invoke("submit_batch", message.take, 900, message.done)
        # one that is still at work is delivered again, like one that failed
        self.scheduler.after(VISIBILITY_S, partial(self._receive, message))

    # --- the state machine --------------------------------------------------------------------------------

    def _start(self, name: str, batch_id: str) -> None:
        if name in self.executions:
            return
        execution = self.executions[name] = Execution(name, batch_id)
        self.scheduler.after(0.1, lambda: self._run(execution, execution.attempt))

    def _is_running(self, name: str) -> bool:
        execution = self.executions.get(name)
        if execution and self.injector.happens("execution not seen yet"):
            return False
        return execution is not None and execution.status == "RUNNING"

    def _run(self, execution: Execution, attempt: int, is_extra: bool = False) -> None:
        if execution.status != "RUNNING" or execution.attempt != attempt:
            return
        task, step = TASKS[execution.step], execution.step
        finished = False

        def done(is_good: bool, result: Any) -> None:
            nonlocal finished
            if finished or is_extra:
                return
            finished = True
            if execution.status == "RUNNING" and execution.attempt == attempt:
                self._advance(execution, is_good, result)

        self._invoke(step, lambda: self._step(step, execution.batch_id), task.time_limit_s, done)
        if not finished and not is_extra:  # it is frozen: the state machine does not wait for ever
            self.scheduler.after(task.time_limit_s, lambda: done(False, None))
        if not is_extra and self.injector.hits(self.injector.rates.environment * 0.1):
            self.scheduler.after(
                self.injector.random.choice((0.0, 3.0, 100.0)), lambda: self._repeat_step(step, execution)
            )

    def _repeat_step(self, step: str, execution: Execution) -> None:
        """Run a step a second time, as Lambda may do with asynchronous invocations."""
        self.injector.happens("step run twice")
        self._invoke(step, lambda: self._step(step, execution.batch_id), 330, _ignore)

    def _step(self, step: str, batch_id: str) -> Any:
        until = self.scheduler.now + timedelta(seconds=270)
        match step:
            case "PollJobs":
                return answer_of(*self.services.poller.poll(batch_id, until))
            case "SubmitMore":
                return self.services.sender.submit(batch_id, until)
            case "WriteReport":
                return self.services.report_writer.report(batch_id)
            case _:
                return self.services.notifier.notify(batch_id)

    def _advance(self, execution: Execution, is_good: bool, result: Any) -> None:
        execution.attempt += 1
        attempt = execution.attempt
        if not is_good:
            self._retry(execution, attempt)
            return
        execution.tries = 0
        delay_s = 0.05
        match execution.step:
            case "PollJobs":
                execution.wait_s = result["waitSeconds"]
                following = (
                    "WriteReport"
                    if result["isOver"]
                    else "SubmitMore"
                    if result["moreToSend"]
                    else "PollJobs"
                )
                delay_s = self._wait_s(execution) if following == "PollJobs" else delay_s
                execution.step = following
            case "SubmitMore":
                delay_s = self._wait_s(execution)
                execution.step = "PollJobs"
            case "WriteReport":
                execution.step = "Notify"
            case _:
                execution.status = "SUCCEEDED"
                return
        if self.injector.hits(self.injector.rates.environment * 0.05):
            self.injector.happens("execution aborted")
            execution.status = "ABORTED"
            return
        self.scheduler.after(delay_s, lambda: self._run(execution, attempt))

    def _wait_s(self, execution: Execution) -> float:
        """How long to wait: at least what the step says, and longer with each tick to keep runs short."""
        execution.ticks += 1
        return max(execution.wait_s, min(1800.0, 2.0 * 1.7**execution.ticks))

    def _retry(self, execution: Execution, attempt: int) -> None:
        task = TASKS[execution.step]
        execution.tries += 1
        if execution.tries > task.retries_max:
            execution.status = "FAILED"
            if self.injector.happens("execution redriven"):
                execution.status, execution.tries = "RUNNING", 0
                self.scheduler.after(600.0, lambda: self._run(execution, attempt))
            return
        delay_s = task.interval_s * 2 ** (execution.tries - 1)
        self.scheduler.after(delay_s, lambda: self._run(execution, attempt))

    # --- the sweep, and people ----------------------------------------------------------------------------

    def _sweep(self) -> None:
        self._check_settled()
        if self.is_settled:
            return
        until = self.scheduler.now + timedelta(seconds=870)
        self._invoke("sweep", lambda: self.services.sweeper.sweep(until), 900, _ignore)
        self.world.checker.check_progress(self.faults_end, STEP_SLACK)
        self.scheduler.after(self.world.scenario.sweep_every_s, self._sweep)

    def sweep_last(self) -> None:
        """Sweep a day later without faults, and another day later if something is left to do: by then
        everything is cleared that evidence can clear.

        Each day again half an hour later while customers are left: where a circuit was open, a sweep tries
        one customer and puts the others off.
        """
        self.injector.is_over = True
        for _ in range(LAST_DAYS):
            began_at = self.scheduler.now
            self.scheduler.now += timedelta(days=1)
            for _ in range(LAST_SWEEPS_A_DAY):
                self._sweep_once()
                if not self.world.checker.is_left_to_sweep():
                    return
                if self.world.checker.is_looked_up_since(began_at):
                    break
                self.scheduler.now += timedelta(minutes=30)

    def _sweep_once(self) -> None:
        until = self.scheduler.now + timedelta(seconds=870)
        self._invoke("sweep", lambda: self.services.sweeper.sweep(until), 900, _ignore)
        while self.world.life.has_two_stacks and self.scheduler.run_next():
            pass  # both sweeps end before the next one begins

    def _check_settled(self) -> None:
        """Find out whether everything has ended, so that no more sweeps are needed."""
        if not self.injector.is_over or self.messages:
            return
        checker = self.world.checker
        taken = {(batch.source.key, batch.source.version_id) for batch in checker.batches.values()}
        is_ended = all(
            batch.status.value in batch.notifications_sent
            and not batch.report_run_id
            and (batch.status.value in FINAL or self._is_never_approved(batch))
            and not checker.may_still_settle(batch)
            for batch in checker.batches.values()
        )
        self.is_settled = is_ended and all(
            place in taken or not place[0].startswith("inbox/") for place in checker.files
        )

    def _is_never_approved(self, batch: Batch) -> bool:
        """Whether a batch waits for an approval that nobody will give."""
        return batch.status == "awaiting_approval" and batch.batch_id in self.never_approved

    def _approve(self) -> None:
        """Let a person approve, from time to time, what awaits approval."""
        if self.is_settled:
            return
        for batch in list(self.world.checker.batches.values()):
            if batch.status == "awaiting_approval" and not self.world.scenario.person_approves:
                self.never_approved.add(batch.batch_id)
            elif batch.status == "awaiting_approval" and not self._drops_new_rows(batch):
                self._invoke("batch_api", partial(self._approve_one, batch.batch_id), 30, _ignore)
        self.scheduler.after(self.injector.random.choice((100.0, 3000.0)), self._approve)

    def _drops_new_rows(self, batch: Batch) -> bool:
        """Whether a person drops the rows of a held batch that are new, in place of approving it."""
        is_possible = batch.overlap is not None and batch.overlap.new_rows
        if not is_possible or batch.batch_id in self._new_rows_dropped or self.injector.random.random() < 0.4:
            return False
        self._new_rows_dropped.add(batch.batch_id)
        name = f"results/{batch.batch_id}/new-rows.csv"
        new = read_new_rows(self.services.files.get(name).decode(), self.world.checker.file_of(batch))
        self.world.checker.repeated_rows.check_new_rows(batch, new, is_fault_free=not self.injector.injected)
        self._drop(new)
        return True

    def _approve_one(self, batch_id: str) -> None:
        try:
            self.services.administration.approve(batch_id, "a person", ApprovalRequest())
        except WrongState:
            if self.injector.is_over:  # the file was changed: it can't be approved any more
                self.never_approved.add(batch_id)

    def _stop(self) -> None:
        """Let a person stop what is under way."""
        for batch in list(self.world.checker.batches.values()):
            if batch.status not in FINAL:
                self._invoke("batch_api", partial(self._stop_one, batch.batch_id), 30, _ignore)

    def _stop_one(self, batch_id: str) -> None:
        with suppress(WrongState):  # it has ended, or another worker has changed it: the person gets an error
            keep_jobs = self.world.scenario.person_stops_at_s == KEEPS_JOBS_AT_S
            self.services.administration.stop(batch_id, "a person", "", keep_jobs=keep_jobs)

    def resolve_last(self) -> None:
        """Let a person look up the other rows in doubt at Gameball, and resolve them."""
        if not self.world.scenario.person_resolves:
            return
        for batch in list(self.world.checker.batches.values()):
            if batch.status == "needs_attention" and batch.counts.in_doubt:
                for outcome, lines in self.world.checker.actual_outcomes(batch).items():
                    request = ResolveRequest.model_validate(
                        {"outcome": outcome, "lines": tuple(sorted(lines)), "note": "looked up"}
                    )
                    self._invoke("batch_api", partial(self._resolve, batch.batch_id, request), 30, _ignore)

    def _resolve(self, batch_id: str, request: ResolveRequest) -> None:
        self.services.administration.resolve(batch_id, "a person", request)

    # --- one invocation -----------------------------------------------------------------------------------

    def _invoke(
        self, name: str, body: Callable[[], Any], limit_s: float, done: Callable[[bool, Any], None]
    ) -> None:
        """Run a function and report how it ended, unless it was killed; a run at the same time does not."""
        self._run_function(name, body, limit_s, done)
        if self.world.life.has_two_stacks:
            second = partial(self._run_function, f"{name}'", body, limit_s, _ignore)
            self.scheduler.after(self.injector.random.choice((0.0, 0.0, 0.1, 1.0)), second)

    def _run_function(
        self, name: str, body: Callable[[], Any], limit_s: float, done: Callable[[bool, Any], None]
    ) -> None:
        # two runs at once interleave even without faults
        can_freeze = self.world.life.has_two_stacks or self.injector.hits(self.injector.rates.interleaved)
        worker = Worker(name, can_freeze, self.scheduler.now + timedelta(seconds=limit_s))
        worker.skew = self.world.draw_skew()

        def run() -> None:
            try:
                result = body()
            except Killed:
                if not worker.is_killed:
                    done(False, None)
            except Exception as error:
                self._failed(name, error, done)
            else:
                done(True, result)

        self.scheduler.run(worker, run)

    def _failed(self, name: str, error: Exception, done: Callable[[bool, Any], None]) -> None:
        """Check the error of an invocation: any that is not expected is a violation."""
        self._log(name, error)
        for cause in _causes(error):
            false_conflict = cause.__context__
            if (
                isinstance(cause, WrongState)
                and isinstance(false_conflict, FalseConflict)
                and false_conflict.has_job
            ):
                fail("a jobId on record is no error", f"{name}: {cause}")
            if isinstance(cause, ConfigurationError):  # the batch pauses, and a later call tries again
                fail("an unreadable secret breaks no step", f"{name}: {cause}")
            if not isinstance(cause, AdjustmentsError | AwsError):
                fail("no unexpected error", f"{name}: {type(cause).__name__}: {cause}")
        if self.world.checker.is_fault_free:
            fail("no error without a cause", f"{name}: {error!r}")
        done(False, None)

    def _log(self, name: str, error: BaseException) -> None:
        """Check what Lambda logs of an error that leaves a function: the error and its causes."""
        seen: BaseException | None = error
        while seen:
            self.world.checker.logged(f"{name}: {seen!r}")
            if isinstance(seen, ExceptionGroup):
                for part in seen.exceptions:
                    self._log(name, part)
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _ignore(is_good: bool, result: Any) -> None:
    """Ignore an answer that nobody waits for."""


def _causes(error: Exception) -> Iterator[Exception]:
    """The single errors in an error: a sweep's group may contain a notification's group."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error
