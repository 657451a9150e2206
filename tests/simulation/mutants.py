"""Planted bugs: each is switched on alone in the real code, and the simulation has to catch it.

``make simulate-mutants`` prints the table. A mutant that is not caught means that a check is missing.
"""

import copy
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from adjustments.administration.sweeper import Sweeper
from adjustments.batches import lookup_rounds, outcomes, payloads, states, store
from adjustments.batches import next_step as steps
from adjustments.batches.lookup_rounds import DoubtfulRow
from adjustments.batches.next_step import NextStep
from adjustments.batches.outcomes import RowOutcome, Settlement, settlement_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome
from adjustments.batches.store import BatchStore, Snapshot
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import GameballRefused, OutcomeUnknown, WrongState
from adjustments.gameball import retry_policy
from adjustments.gameball.retry_policy import FollowUp
from adjustments.polling import job_client, poller, settlement
from adjustments.polling.job_client import JobStatus, JobStopper
from adjustments.polling.poller import Poller
from adjustments.reconciliation import reconciler
from adjustments.reconciliation.evidence import Assessment, assess_row
from adjustments.results import result_rows
from adjustments.results.notifications import Notifier
from adjustments.results.report_writer import ReportWriter, ResultFiles
from adjustments.results.result_rows import ResultRow, ResultRows
from adjustments.submission import chunk_builder, planner, sender, triggers
from adjustments.submission import sender as sending
from adjustments.submission.chunk_builder import ChunkBuilder
from adjustments.submission.plan import Drop
from adjustments.submission.planner import PlannerPorts
from adjustments.submission.sender import ChunkSender
from tests.fakes.memory import MemoryStore
from tests.simulation.crashes import CLASSES, cases
from tests.simulation.lives import Kind, kinds_of
from tests.simulation.simulator import run_seed

SEEDS_MAX = 10_000
"""As many as a release runs."""

RARE_SEEDS_MAX = 20_000
"""For a bug that only lives of one kind can show: so many seeds hold some 600 of them."""

STRAY_SEEDS_MAX = 3_000
"""Among which such a bug must not be caught in lives of other kinds."""

Patch = tuple[object, str, Any]
Service = TypeVar("Service")


@dataclass(frozen=True)
class Mutant:
    """One planted bug; of some only lives of one kind can show it."""

    name: str
    patches: Callable[[], Sequence[Patch]]
    kind: Kind | None = None


@dataclass(frozen=True)
class Catch:
    """How a mutant was caught: by which check, and where; nothing when it was not caught."""

    mutant: str
    check: str = ""
    where: str = ""
    tried: int = 0


_registered: list[Mutant] = []


def mutant(
    name: str, kind: Kind | None = None
) -> Callable[[Callable[[], Sequence[Patch]]], Callable[[], Sequence[Patch]]]:
    """Register a mutant: a function that gives what to patch."""

    def register(patches: Callable[[], Sequence[Patch]]) -> Callable[[], Sequence[Patch]]:
        _registered.append(Mutant(name, patches, kind))
        return patches

    return register


# --- sending ----------------------------------------------------------------------------------------------


@mutant("resend after a time-out")
def _resend() -> Sequence[Patch]:
    return [_follow_up({OutcomeUnknown: FollowUp.TRY_LATER})]


@mutant("treat a 5xx as refused")
def _refuse_unknown() -> Sequence[Patch]:
    return [_follow_up({OutcomeUnknown: FollowUp.SPLIT})]


@mutant("treat refused as unknown")
def _doubt_refused() -> Sequence[Patch]:
    return [_follow_up({GameballRefused: FollowUp.IN_DOUBT})]


@mutant("drop the pause before another try")
def _no_pause() -> Sequence[Patch]:
    return [(retry_policy, "back_off", lambda *_: timedelta(0))]


@mutant("skip the intent")
def _no_intent() -> Sequence[Patch]:
    original = ChunkSender._send

    def send(self: ChunkSender, *args: Any) -> bool:
        return original(_with(self, "store", _Skipping(self.store)), *args)

    return [(ChunkSender, "_send", send)]


@mutant("drop the lease check")
def _no_lease() -> Sequence[Patch]:
    return [(sender, "lease_is_over", lambda *_: False)]


@mutant("use a token twice")
def _same_token() -> Sequence[Patch]:
    original = ChunkSender._send

    def send(self: ChunkSender, *args: Any) -> bool:
        return original(_with(self, "ids", _SameName("token")), *args)

    return [(ChunkSender, "_send", send)]


@mutant("take a chunk from its worker")
def _steal() -> Sequence[Patch]:
    def save(self: MemoryStore, batch: Batch, chunk: Chunk) -> None:
        self._chunks[(batch.batch_id, batch.plan_id)][chunk.chunk_id] = chunk

    return [(MemoryStore, "save_chunk", save)]


@mutant("forget the split parent")
def _keep_parent() -> Sequence[Patch]:
    def split(self: MemoryStore, batch: Batch, whole: Chunk, halves: Sequence[Chunk]) -> None:
        self.add_chunks(batch.batch_id, batch.plan_id, halves)

    return [(MemoryStore, "split_chunk", split)]


@mutant("split and lose the middle row")
def _lose_row() -> Sequence[Patch]:
    original = sender._halves

    def halves(whole: Chunk, rows: Sequence[str]) -> Sequence[Chunk]:
        left, right = original(whole, rows)
        return left, right.replaced(first=min(right.first + 1, right.last))

    return [(sender, "_halves", halves)]


@mutant("send outside the rate limiter")
def _no_slot() -> Sequence[Patch]:
    return [(sender, "wait_for_slot", lambda *_: True)]


@mutant("send a lost chunk again")
def _send_lost() -> Sequence[Patch]:
    def doubt(self: Poller, batch: Batch, chunk: Chunk, message: str) -> None:
        planned = {"state": ChunkState.PLANNED, "version": chunk.version + 1, "intent_at": None}
        self.store.save_chunk(batch, chunk.replaced(**planned))

    return [(Poller, "_mark_in_doubt", doubt)]


@mutant("send although another worker has changed the batch")
def _lost_race() -> Sequence[Patch]:
    original = sending.begin_sending

    def begin(store: BatchStore, batch: Batch, now: datetime) -> bool:
        original(store, batch, now)
        return True

    return [(sending, "begin_sending", begin)]


@mutant("take a jobId that is on record for a lost race")
def _job_on_record() -> Sequence[Patch]:
    original = ChunkSender._record_late_job

    def keep(self: ChunkSender, batch: Batch, intent: Chunk, job_id: int) -> None:
        chunks = self.store.chunks(batch.batch_id, batch.plan_id)
        if any(chunk.job_id == job_id for chunk in chunks):
            raise WrongState("another worker was quicker")
        original(self, batch, intent, job_id)

    return [(ChunkSender, "_record_late_job", keep)]


# --- order ------------------------------------------------------------------------------------------------


@mutant("merge a repeated customer into one chunk")
def _one_wave() -> Sequence[Patch]:
    def all_in_one(row_count: int, repeats: Any) -> Iterator[int]:
        list(repeats)
        return iter([1] * row_count)

    return [(chunk_builder, "waves", all_in_one)]


@mutant("ignore waves")
def _no_waves() -> Sequence[Patch]:
    def sendable(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> list[Chunk]:
        return [c for c in chunks if c.state is ChunkState.PLANNED and (c.not_before or now) <= now]

    return [(steps, "_sendable", sendable)]


@mutant("reverse the order of waves")
def _last_wave_first() -> Sequence[Patch]:
    original = steps._sendable

    def sendable(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> list[Chunk]:
        return original(batch, sorted(chunks, key=lambda chunk: -chunk.wave), now)

    return [(steps, "_sendable", sendable)]


@mutant("ignore the canary")
def _no_canary() -> Sequence[Patch]:
    return [(steps, "_canaries", lambda *_: steps._Canaries())]


@mutant("let one canary in doubt stop the batch")
def _one_canary() -> Sequence[Patch]:
    return [(steps, "CANARIES_MAX", 1)]


@mutant("let one canary in doubt after another go")
def _canaries_without_end() -> Sequence[Patch]:
    return [(steps, "CANARIES_MAX", 99)]


@mutant("count no row in doubt for the failure share")
def _doubt_is_fine() -> Sequence[Patch]:
    original = steps._known

    def known(chunks: Any) -> Any:
        return original(chunks)._replace(in_doubt=0)

    return [(steps, "_known", known)]


@mutant("let the rest go with the second canary")
def _crowded_canary() -> Sequence[Patch]:
    original = steps._canaries

    def canaries(*args: Any) -> Any:
        found = original(*args)
        return found._replace(is_open=found.is_open and not found.lost)

    def failure_stop(checkpoint: Any, chunks: Any, found: Any, percent_max: int) -> str:
        return "" if found.lost else stop(checkpoint, chunks, found, percent_max)

    stop = steps._failure_stop
    return [(steps, "_canaries", canaries), (steps, "_failure_stop", failure_stop)]


@mutant("let the second canary go at once")
def _hasty_canary() -> Sequence[Patch]:
    return [(steps, "_is_early", lambda *_: False)]


@mutant("call a canary in doubt lost though enough of its rows failed")
def _lenient_canary() -> Sequence[Patch]:
    def is_lost(canary: Sequence[Chunk], percent_max: int) -> bool:
        rows, failed, in_doubt = steps._known(canary)
        return bool(in_doubt) and (failed + in_doubt) * 100 > percent_max * rows

    return [(steps, "_is_lost", is_lost)]


@mutant("cut canaries as large as other chunks")
def _large_canaries() -> Sequence[Patch]:
    return [(payloads, "CANARIES_MAX", 1)]


@mutant("ignore the failure share")
def _no_share() -> Sequence[Patch]:
    return [(steps, "_failure_stop", lambda *_: "")]


@mutant("stop jobs that a person keeps")
def _stop_kept() -> Sequence[Patch]:
    original = JobStopper.stop_jobs

    def stop_jobs(self: JobStopper, batch: Batch, until: datetime) -> None:
        original(self, batch.replaced(keeps_jobs=False), until)

    return [(JobStopper, "stop_jobs", stop_jobs)]


@mutant("ignore a person's stop")
def _no_stop() -> Sequence[Patch]:
    original = steps.next_step

    def next_step(batch: Batch, *args: Any) -> NextStep:
        return original(batch.replaced(stop_reason=""), *args)

    return [(sender, "next_step", next_step)]


@mutant("look only behind chunks that may still change")
def _passed_open() -> Sequence[Patch]:
    return [(Chunk, "is_final", property(lambda self: self.state is not ChunkState.PLANNED))]


@mutant("look only behind chunks that hold rows in doubt")
def _passed_doubt() -> Sequence[Patch]:
    return [(Chunk, "is_final", property(lambda self: self.state.is_over))]


@mutant("forget the failed rows behind which a look begins")
def _passed_failures() -> Sequence[Patch]:
    original = steps.advance_checkpoint

    def advance_checkpoint(*args: Any) -> Any:
        return original(*args).replaced(failed=0)

    return [(store, "advance_checkpoint", advance_checkpoint)]


# --- planning ---------------------------------------------------------------------------------------------


@mutant("start twice: the second plan replaces the first")
def _two_plans() -> Sequence[Patch]:
    def create(self: MemoryStore, batch: Batch, chunks: Sequence[Chunk] = ()) -> bool:
        if chunks:
            self.add_chunks(batch.batch_id, batch.plan_id, chunks)
        self._batches[batch.batch_id] = batch
        return True

    return [(MemoryStore, "create_batch", create)]


@mutant("plan_id ignored: every run writes the same plan")
def _one_plan() -> Sequence[Patch]:
    original = planner.plan_batch

    def plan_batch(drop: Drop, ports: PlannerPorts) -> Snapshot:
        return original(drop, replace(ports, ids=_SameName("plan")))

    return [(triggers, "plan_batch", plan_batch)]


@mutant("lose a rejected row")
def _no_rejections() -> Sequence[Patch]:
    original = ChunkBuilder._keep_rows

    def keep(self: ChunkBuilder, part: ValidatedRows, *args: Any) -> None:
        original(self, part._replace(rejections=[]), *args)

    return [(ChunkBuilder, "_keep_rows", keep)]


@mutant("ignore approval")
def _no_guards() -> Sequence[Patch]:
    return [(planner, name, lambda *_: ()) for name in ("approval_reasons", "sum_reasons")]


@mutant("look at each file alone")
def _no_sums() -> Sequence[Patch]:
    return [(planner, "sum_reasons", lambda *_: ())]


@mutant("send a dry run")
def _wet_run() -> Sequence[Patch]:
    return [(Drop, "is_dry_run", property(lambda self: False))]


@mutant("take the same content twice")
def _no_content() -> Sequence[Patch]:
    return [(MemoryStore, "claim_content", lambda *_, **__: None)]


# --- polling and settling ---------------------------------------------------------------------------------


@mutant("settle by a job that is still at work")
def _stale_poll() -> Sequence[Patch]:
    return [(JobStatus, "has_ended", property(lambda self: True))]


@mutant("trust 'completed': unlisted rows are applied")
def _trust_completed() -> Sequence[Patch]:
    original = settlement.settle

    def settle(rows: Sequence[str], job: JobStatus) -> Settlement:
        found = original(rows, job).rows
        if job.state != "completed":
            return settlement_of(rows, found)
        return settlement_of(rows, [_applied(row) for row in found])

    def _applied(row: RowOutcome) -> RowOutcome:
        return RowOutcome(Outcome.APPLIED, "") if row.outcome is Outcome.IN_DOUBT else row

    return [(settlement, "settle", settle)]


@mutant("trust a counter: no errors counted, none listed")
def _trust_counter() -> Sequence[Patch]:
    original = job_client.read_status

    def read_status(dialect: Any, answer: Any) -> JobStatus:
        job = original(dialect, answer)
        if answer.get("errorCount", answer.get("failedItems")):
            return job
        rows = {name: row._replace(outcome=Outcome.APPLIED) for name, row in job.rows.items()}
        return job._replace(rows=rows)

    return [(settlement, "read_status", read_status)]


@mutant("take a garbled answer for the account's dialect")
def _garbled_dialect() -> Sequence[Patch]:
    return [(job_client, "read_status", lambda *_: JobStatus("completed", {}))]


@mutant("forget the deadline")
def _no_deadline() -> Sequence[Patch]:
    original = Poller._apply_stop

    def note_stop(self: Poller, look: Any) -> tuple[Batch, NextStep]:
        return original(_with(self, "clock", _Earlier(self.clock)), look)

    return [(Poller, "_apply_stop", note_stop)]


@mutant("act on a deadline four hours late")
def _late_deadline() -> Sequence[Patch]:
    original = Poller._apply_stop

    def note_stop(self: Poller, look: Any) -> tuple[Batch, NextStep]:
        return original(_with(self, "clock", _Earlier(self.clock, timedelta(hours=4))), look)

    return [(Poller, "_apply_stop", note_stop)]


# --- ending -----------------------------------------------------------------------------------------------


@mutant("report before all is over")
def _early_report() -> Sequence[Patch]:
    original = steps.next_step

    def next_step(*args: Any) -> NextStep:
        step = original(*args)
        return step._replace(is_over=not step.more_to_send)

    return [(poller, "next_step", next_step), (states, "_CHUNK_OPEN", frozenset({ChunkState.PLANNED}))]


@mutant("call a row in doubt failed")
def _doubt_is_failed() -> Sequence[Patch]:
    original = outcomes.shared_outcome

    def shared(batch: Batch, chunk: Chunk) -> RowOutcome:
        row = original(batch, chunk)
        return RowOutcome(Outcome.FAILED, row.message) if row.outcome is Outcome.IN_DOUBT else row

    return [(settlement, "shared_outcome", shared)]


@mutant("put rows in doubt into fix-me.csv")
def _fix_doubt() -> Sequence[Patch]:
    again = result_rows._CAN_BE_DROPPED_AGAIN | {Outcome.IN_DOUBT}
    return [(result_rows, "_CAN_BE_DROPPED_AGAIN", again)]


@mutant("leave rejected rows out of the results")
def _hide_rejected() -> Sequence[Patch]:
    original = ResultRows.rows

    def rows(self: ResultRows) -> Iterator[ResultRow]:
        return (row for row in original(self) if row.outcome is not Outcome.REJECTED)

    return [(ResultRows, "rows", rows)]


@mutant("add failed amounts to the applied total")
def _wrong_total() -> Sequence[Patch]:
    def total(sent: Sequence[tuple[str, Decimal]], rows: Sequence[RowOutcome]) -> Decimal:
        return sum((amount for _, amount in sent), Decimal(0))

    return [(outcomes, "_applied_total", total)]


@mutant("write over results that another run wrote")
def _write_over() -> Sequence[Patch]:
    def writer(self: ResultFiles, name: str) -> Any:
        return self._files.writer(f"{self._folder}/{name}", "text/plain")

    return [(ResultFiles, "writer", writer)]


@mutant("write results whoever has claimed them")
def _no_claim() -> Sequence[Patch]:
    def claim(self: ReportWriter, batch: Batch) -> tuple[Batch, ResultFiles]:
        return batch, ResultFiles(self.files, batch)

    def save(self: MemoryStore, batch: Batch) -> None:
        if self._batches[batch.batch_id].status.is_final != batch.status.is_final:
            batch = batch.replaced(version=self._batches[batch.batch_id].version + 1)
        original(self, batch)

    original = MemoryStore.save_batch
    return [(ReportWriter, "_claim", claim), (MemoryStore, "save_batch", save)]


@mutant("send a notification twice")
def _tell_twice() -> Sequence[Patch]:
    original = Notifier.notify

    def notify(self: Notifier, batch_id: str) -> Batch:
        original(self, batch_id)
        batch = self.store.batch(batch_id)
        self._send(batch)
        return batch

    return [(Notifier, "notify", notify)]


@mutant("notify nobody of an end that was missed")
def _tell_nobody() -> Sequence[Patch]:
    return [(Batch, "is_open", property(lambda self: not self.status.is_final))]


@mutant("let no stalled batch go on")
def _no_resume() -> Sequence[Patch]:
    return [(Sweeper, "_resume", lambda *_: False)]


@mutant("look for no missed object")
def _no_find() -> Sequence[Patch]:
    return [(Sweeper, "_find_dropped", lambda *_: iter(()))]


# --- evidence ---------------------------------------------------------------------------------------------


@mutant("note nobody who sends")
def _no_senders() -> Sequence[Patch]:
    return [(MemoryStore, "record_sending", lambda *_: None)]


@mutant("ignore rows that look the same")
def _no_lookalikes() -> Sequence[Patch]:
    def assess(row: DoubtfulRow, lookalikes: int, *args: Any) -> Assessment:
        return assess_row(row, 0, *args)

    return [(reconciler, "assess_row", assess)]


@mutant("conclude from absence at once")
def _no_quiet() -> Sequence[Patch]:
    def assess(row: DoubtfulRow, lookalikes: int, found: Any, now: datetime, quiet: timedelta) -> Assessment:
        return assess_row(row, lookalikes, found, now, timedelta(0))

    return [(reconciler, "assess_row", assess), (lookup_rounds, "ROUND_PAUSE_MIN", timedelta(0))]


@mutant("conclude from absence without a token")
def _no_token() -> Sequence[Patch]:
    def assess(row: DoubtfulRow, lookalikes: int, *args: Any) -> Assessment:
        found = assess_row(row, lookalikes, *args)
        return Assessment.NOT_APPLIED if found is Assessment.UNCERTAIN and not lookalikes else found

    return [(reconciler, "assess_row", assess)]


@mutant("look for no evidence")
def _no_evidence() -> Sequence[Patch]:
    return [(Sweeper, "_reconcile", lambda *_: False)]


@mutant("look up no row of a job that came after the batch's end")
def _late_job_alone() -> Sequence[Patch]:
    original = reconciler._Run._rows_in_doubt

    def rows_in_doubt(self: reconciler._Run, chunk: Chunk) -> Iterator[Any]:
        return iter(()) if chunk.state is ChunkState.SUBMITTED else original(self, chunk)

    return [(reconciler._Run, "_rows_in_doubt", rows_in_doubt)]


@mutant("poll no job of a chunk that was found in part")
def _partly_found() -> Sequence[Patch]:
    original = reconciler._may_job_list_more

    def may_list_more(chunk: Chunk) -> bool:
        return chunk.state is not ChunkState.SETTLED and original(chunk)

    return [(reconciler, "_may_job_list_more", may_list_more)]


@mutant("conclude from absence while the job is at work")
def _absent_at_work() -> Sequence[Patch]:
    original = reconciler._Run._assess

    def assess(self: reconciler._Run, row: Any, chunk: Chunk, *args: Any) -> Assessment:
        return original(self, row, chunk.replaced(job_id=None), *args)

    return [(reconciler._Run, "_assess", assess)]


# --- running them -----------------------------------------------------------------------------------------


def _with(service: Service, name: str, value: object) -> Service:
    """A service like this one, but for one of its parts: others go on with the original."""
    changed = copy.copy(service)
    object.__setattr__(changed, name, value)  # services are frozen
    return changed


class _SameName:
    """Ids of which each is the same."""

    def __init__(self, name: str) -> None:
        self._name = name

    def fresh(self) -> str:
        return self._name

    def jitter(self) -> float:
        return 0.5


class _Skipping:
    """A store that keeps no intent."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def save_chunk(self, batch: Batch, chunk: Chunk) -> None:
        if chunk.state is not ChunkState.SUBMITTING:
            self.store.save_chunk(batch, chunk)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class _Earlier:
    """A clock that is behind."""

    def __init__(self, clock: Any, behind: timedelta = timedelta(days=7)) -> None:
        self.clock = clock
        self._behind = behind

    def now(self) -> datetime:
        now: datetime = self.clock.now()
        return now - self._behind


def _follow_up(changed: dict[type[Exception], FollowUp]) -> Patch:
    original = retry_policy.follow_up
    return retry_policy, "follow_up", lambda error: changed.get(type(error)) or original(error)


def mutants() -> Sequence[Mutant]:
    """All of them."""
    # They register their own, with this module's help.
    from tests.simulation import mutants_of_lives, mutants_of_repeats, mutants_of_transactions  # noqa: F401

    return tuple(_registered)


@contextmanager
def switched_on(chosen: Mutant) -> Iterator[None]:
    """Plant one bug."""
    with ExitStack() as stack:
        for target, name, value in chosen.patches():
            stack.enter_context(patch.object(target, name, value))
        yield


def hunt(chosen: Mutant, seeds_max: int = SEEDS_MAX) -> Catch:
    """Run seeds, and then the crash matrix, until a check catches a mutant."""
    if chosen.kind:
        return _hunt_kind(chosen)
    with switched_on(chosen):
        for seed in range(seeds_max):
            violation = run_seed(seed).violation
            if violation:
                return Catch(chosen.name, violation.check, f"seed {seed}", seed + 1)
        for answer_class in CLASSES:
            for number, kill, result in cases(answer_class):
                if result.violation:
                    where = f"{answer_class}, {kill} {number}"
                    return Catch(chosen.name, result.violation.check, where, seeds_max)
    return Catch(chosen.name, tried=seeds_max)


def _hunt_kind(chosen: Mutant) -> Catch:
    """Run the seeds of a mutant's kind."""
    with switched_on(chosen):
        for seed in (seed for seed in range(RARE_SEEDS_MAX) if chosen.kind in kinds_of(seed)):
            violation = run_seed(seed).violation
            if violation:
                return Catch(chosen.name, violation.check, f"seed {seed}", seed + 1)
    return Catch(chosen.name, tried=RARE_SEEDS_MAX)


def hunt_elsewhere(chosen: Mutant, seeds_max: int = STRAY_SEEDS_MAX) -> Catch:
    """Run the seeds without a mutant's kind, in which no check can catch it."""
    with switched_on(chosen):
        for seed in range(seeds_max):
            violation = None if chosen.kind in kinds_of(seed) else run_seed(seed).violation
            if violation:
                return Catch(chosen.name, violation.check, f"seed {seed}", seed + 1)
    return Catch(chosen.name, tried=seeds_max)


def main() -> int:
    """Print the table; 1 when a mutant is not caught."""
    console = Console()
    table = Table("mutant", "caught by", "where", "seeds tried", title="planted bugs")
    elsewhere = Table("mutant", "of lives in which", "without those", "seeds", title="only they can catch it")
    planted = mutants()
    lives = strays = 0
    with multiprocessing.get_context("spawn").Pool() as pool:
        for catch in pool.imap(_hunt_number, range(len(planted))):
            lives += not catch.check
            table.add_row(catch.mutant, catch.check or "NOT CAUGHT", catch.where, str(catch.tried))
        console.print(table)
        rare = [number for number, mutant in enumerate(planted) if mutant.kind]
        for number, catch in zip(rare, pool.imap(_hunt_number_elsewhere, rare), strict=True):
            strays += bool(catch.check)
            result = f"caught as well, {catch.where}" if catch.check else "not caught"
            elsewhere.add_row(catch.mutant, planted[number].kind, result, str(catch.tried))
    console.print(elsewhere)
    console.print(f"{len(planted) - lives} of {len(planted)} caught")
    return int(lives + strays > 0)


def _hunt_number(number: int) -> Catch:
    return hunt(mutants()[number])


def _hunt_number_elsewhere(number: int) -> Catch:
    return hunt_elsewhere(mutants()[number])


if __name__ == "__main__":  # as the module that the other one registers with
    from tests.simulation import mutants as registered

    sys.exit(registered.main())
