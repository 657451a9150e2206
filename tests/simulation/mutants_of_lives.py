"""Planted bugs that only rarer kinds of lives can show: one at least of each kind."""

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from adjustments.administration.service import ApprovalRequest, BatchAdministration
from adjustments.administration.sweeper import Sweeper
from adjustments.batches.files import StoredObject
from adjustments.batches.records import Batch
from adjustments.batches.states import BatchStatus
from adjustments.core.errors import OutcomeUnknown
from adjustments.gameball.rate_limiter import Resource, TableRateLimiter
from adjustments.polling import dry_run, job_client
from adjustments.reconciliation import evidence
from adjustments.results.notifications import Notifier
from adjustments.submission import overlap_guard, sender
from adjustments.submission.api_submission import ApiSubmission
from adjustments.submission.plan import Drop
from tests.fakes.memory import MemoryStore
from tests.simulation.lives import Kind
from tests.simulation.mutants import Patch, mutant
from tests.simulation.world import AwsError

GIVES_UP_AFTER = 4


@mutant("forget the key of a body", Kind.KEYED_BODY)
def _no_key() -> Sequence[Patch]:
    original = ApiSubmission.accept

    def accept(self: ApiSubmission, body: Mapping[str, Any], key: str | None) -> Batch:
        return original(self, body, key and key + self.ids.fresh())

    return [(ApiSubmission, "accept", accept)]


@mutant("let another body through under a key that was used", Kind.KEYED_BODY)
def _same_key() -> Sequence[Patch]:
    def keep(self: ApiSubmission, key: str, content: bytes) -> StoredObject:
        self.files.put_new(key, content, "text/csv")
        return self.files.describe(key, None)

    return [(ApiSubmission, "_keep", keep)]


@mutant("take each body for one with a key", Kind.BARE_BODY)
def _all_named() -> Sequence[Patch]:
    original = ApiSubmission.accept

    def accept(self: ApiSubmission, body: Mapping[str, Any], key: str | None) -> Batch:
        return original(self, body, key or self.ids.fresh())

    return [(ApiSubmission, "accept", accept)]


@mutant("refuse a content for ever that a killed planner claimed", Kind.BARE_BODY)
def _for_ever() -> Sequence[Patch]:
    return [(overlap_guard, "PLANNING_MAX", timedelta(days=9))]


@mutant("reverse a batch as often as it is dropped", Kind.REVERSAL)
def _reverse_again() -> Sequence[Patch]:
    return [(overlap_guard, "_claim_reversal", lambda *_: None)]


@mutant("forget which content reverses a batch", Kind.REVERSAL)
def _unknown_reversal() -> Sequence[Patch]:
    return [(MemoryStore, "record_reversal", lambda *_: None)]


@mutant("approve a batch as often as it is requested", Kind.TWO_STACKS)
def _approve_again() -> Sequence[Patch]:
    original = BatchAdministration._approved

    def approved(self: BatchAdministration, batch: Batch, by: str, expected: ApprovalRequest) -> Batch:
        waiting = batch.replaced(status=BatchStatus.AWAITING_APPROVAL)
        return original(self, batch if batch.status.is_final else waiting, by, expected)

    return [(BatchAdministration, "_approved", approved)]


@mutant("take the next free slot for this moment", Kind.CLOCK_SKEW)
def _no_slot_wait() -> Sequence[Patch]:
    def take(self: TableRateLimiter, resource: Resource, now_us: int, *_: int) -> int | None:
        return now_us

    return [(TableRateLimiter, "_take", take)]


@mutant("believe that all clocks agree", Kind.CLOCK_SKEW)
def _one_clock() -> Sequence[Patch]:
    return [(evidence, "CLOCK_SKEW", timedelta(0))]


@mutant("leave a batch alone that could not be saved several times", Kind.TABLE_THROTTLES)
def _leave_alone() -> Sequence[Patch]:
    return [(Sweeper, "_resume", _giving_up(Sweeper._resume, lambda batch: batch.batch_id, False))]


@mutant("take an object for gone that could not be read twice", Kind.BUCKET_UNAVAILABLE)
def _gone() -> Sequence[Patch]:
    def name(drop: Drop) -> str:
        return drop.batch_id

    return [(Sweeper, "_queue_missed", _giving_up(Sweeper._queue_missed, name, False, after=2))]


@mutant("take rows for sent whose keys could not be read", Kind.SECRET_UNREADABLE)
def _sent_without_keys() -> Sequence[Patch]:
    return [(sender, "GameballUnauthorized", OutcomeUnknown)]


@mutant("break a step for keys that can't be read", Kind.SECRET_UNREADABLE)
def _break_for_keys() -> Sequence[Patch]:
    class Never(Exception):
        """Nobody raises it."""

    return [(job_client, "ConfigurationError", Never), (dry_run, "ConfigurationError", Never)]


@mutant("notify nobody after a mail or an event has failed several times", Kind.TOPIC_FAILS)
def _notify_no_more() -> Sequence[Patch]:
    original = Notifier.notify

    def notify(self: Notifier, batch_id: str) -> Batch:
        failures = _failures_of(self)
        if failures[batch_id] < GIVES_UP_AFTER:
            try:
                return original(self, batch_id)
            except ExceptionGroup:
                failures[batch_id] += 1
                raise
        silent = copy.copy(self)
        silent._notifications = lambda batch: iter(())  # type: ignore[method-assign]
        return original(silent, batch_id)

    return [(Notifier, "notify", notify)]


def _failures_of(service: Any) -> Counter[str]:
    """What a service has failed with, in this run."""
    failures: Counter[str] = service.__dict__.setdefault("_failures", Counter())
    return failures


def _giving_up(
    original: Callable[..., Any], name: Callable[[Any], str], instead: Any, after: int = GIVES_UP_AFTER
) -> Callable[..., Any]:
    """A method that does its work no more on what it has failed with so many times."""

    def work(self: Any, item: Any) -> Any:
        failures, key = _failures_of(self), name(item)
        if failures[key] >= after:
            return instead
        try:
            return original(self, item)
        except AwsError:
            failures[key] += 1
            raise

    return work
