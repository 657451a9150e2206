"""Planted bugs in the way of files that are sent as transactions: only such lives can show them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from adjustments.administration import reversal
from adjustments.batches import next_step as steps
from adjustments.batches.outcomes import RowOutcome, settlement_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState, Outcome, SendAs
from adjustments.core import exact_json
from adjustments.core.errors import GameballRefused, IdTaken, IdUnclear, OutcomeUnknown
from adjustments.gameball import retry_policy
from adjustments.gameball.block_slots import BlockSlots
from adjustments.manual_transactions import matching
from adjustments.manual_transactions import service as manual_transactions
from adjustments.manual_transactions.call import GameballCall
from adjustments.manual_transactions.model import ManualTransaction
from adjustments.polling import settlement
from adjustments.polling.settlement import ChunkSettler
from adjustments.reconciliation import reconciler
from adjustments.reconciliation.evidence import Assessment
from adjustments.submission import transaction_sender as sending
from adjustments.submission.api_submission import ApiSubmission
from adjustments.submission.csv.ignored_columns import IgnoredColumns
from adjustments.submission.csv.transaction_validator import TransactionValidator
from adjustments.submission.work_queue import OpenChunk, RowQueue
from tests.simulation.lives import Kind
from tests.simulation.mutants import Patch, mutant

# --- what is sent -----------------------------------------------------------------------------------------


@mutant("send a row again under a new id", Kind.TRANSACTIONS)
def _new_id() -> Sequence[Patch]:
    original = GameballCall._send

    def send(self: GameballCall, within_s: float) -> Mapping[str, Any]:
        if self.lost_at:
            fields = {**exact_json.read(self.body), "transactionId": self.ports.ids.fresh()}
            self.body = exact_json.write(fields).encode()
        return original(self, within_s)

    return [(GameballCall, "_send", send)]


@mutant("send an expiry with a deduction", Kind.TRANSACTIONS)
def _expiring_deduction() -> Sequence[Patch]:
    original = TransactionValidator._transaction

    def transaction(self: TransactionValidator, fields: Mapping[str, Any]) -> ManualTransaction:
        if fields.get("points", fields.get("amount", 0)) > 0 or "expiryAfter" not in fields:
            return original(self, fields)
        kept = {name: value for name, value in fields.items() if name != "expiryAfter"}
        return original(self, kept).model_copy(update={"expiry_after": fields["expiryAfter"]})

    return [(TransactionValidator, "_transaction", transaction)]


@mutant("leave out a row's own transactionId", Kind.TRANSACTIONS)
def _no_own_id() -> Sequence[Patch]:
    return [(TransactionValidator, "_own_id", lambda *_: "")]


@mutant("see no column that only a transaction can carry", Kind.TRANSACTIONS)
def _no_columns() -> Sequence[Patch]:
    return [(IgnoredColumns, "of_transactions", lambda self: [])]


@mutant("send the rows of a customer in any order", Kind.TRANSACTIONS)
def _any_order() -> Sequence[Patch]:
    original = steps._sendable

    def sendable(batch: Batch, chunks: Sequence[Chunk], now: datetime) -> list[Chunk]:
        if batch.send_as is SendAs.BATCH:
            return original(batch, chunks, now)
        return [chunk for chunk in chunks if steps._is_planned(batch, chunk, now)]

    return [(steps, "_sendable", sendable)]


@mutant("send rows outside the rate limiter", Kind.TRANSACTIONS)
def _no_slot() -> Sequence[Patch]:
    return [(BlockSlots, "wait_for_slot", lambda *_: True)]


@mutant("begin rows after a stop", Kind.TRANSACTIONS)
def _no_stop() -> Sequence[Patch]:
    return [(sending._Run, "is_stopped", lambda self: False)]


@mutant("take over a chunk that is held", Kind.TRANSACTIONS)
def _held() -> Sequence[Patch]:
    def is_planned(batch: Batch, chunk: Chunk, now: datetime) -> bool:
        is_held = batch.send_as is SendAs.TRANSACTIONS and chunk.state is ChunkState.SUBMITTING
        return is_held or chunk.state is ChunkState.PLANNED

    return [(steps, "_is_planned", is_planned)]


# --- what an answer means ---------------------------------------------------------------------------------


@mutant("take 9004 for success", Kind.TRANSACTIONS)
def _taken_is_applied() -> Sequence[Patch]:
    original = GameballCall._settle_refusal

    def settle(self: GameballCall, refusal: GameballRefused) -> Mapping[str, Any]:
        if refusal.code == retry_policy.ID_EXISTS:
            return {"transactionId": self.transaction.transaction_id}
        return original(self, refusal)

    return [(GameballCall, "_settle_refusal", settle)]


@mutant("take an answer that names no transaction for success", Kind.TRANSACTIONS)
def _nameless() -> Sequence[Patch]:
    def send(self: GameballCall, within_s: float) -> Mapping[str, Any]:
        try:
            return self.ports.add(self.body, within_s)
        except OutcomeUnknown:
            self.is_in_doubt = True
            self.lost_at = self.ports.clock.now()
            raise

    return [(GameballCall, "_send", send)]


@mutant("call a refused row failed without a look-up after a possible request", Kind.TRANSACTIONS)
def _no_lookup() -> Sequence[Patch]:
    original = GameballCall._settle_refusal

    def settle(self: GameballCall, refusal: GameballRefused) -> Mapping[str, Any]:
        if refusal.code != retry_policy.ID_EXISTS:
            raise refusal
        return original(self, refusal)

    return [
        (GameballCall, "_settle_refusal", settle),
        (GameballCall, "is_surely_refused", lambda *_: True),
    ]


@mutant("believe the first list, however early", Kind.TRANSACTIONS)
def _early_list() -> Sequence[Patch]:
    return [(GameballCall, "is_surely_refused", lambda *_: True)]


@mutant("tell a caller that a refusal after a lost answer is the outcome", Kind.TRANSACTIONS)
def _refusal_at_once() -> Sequence[Patch]:
    original = GameballCall.is_surely_refused

    def is_sure(self: GameballCall, error: GameballRefused | IdTaken | IdUnclear) -> bool:
        is_row = self.looks_up_taken_id
        return original(self, error) if is_row else True

    return [(GameballCall, "is_surely_refused", is_sure)]


@mutant("keep a transactionId unclear for good", Kind.TRANSACTIONS)
def _unclear_for_good() -> Sequence[Patch]:
    return [(manual_transactions, "DOUBTS_TIME", timedelta(days=400))]


@mutant("compare the transactionId alone", Kind.TRANSACTIONS)
def _id_alone() -> Sequence[Patch]:
    def is_same(entry: Mapping[str, Any], transaction: ManualTransaction) -> bool:
        return bool(entry.get("transactionId") == transaction.transaction_id)

    return [(matching, "is_same", is_same)]


@mutant("compare points with money", Kind.TRANSACTIONS)
def _wrong_unit() -> Sequence[Patch]:
    original = matching._signed
    other = {"points": "amount", "amount": "points"}
    return [(matching, "_signed", lambda entry, name: original(entry, other[name]))]


# --- what is kept -----------------------------------------------------------------------------------------


@mutant("keep the outcome of a row before its answer", Kind.TRANSACTIONS)
def _too_early() -> Sequence[Patch]:
    def send(self: Any, chunk: OpenChunk, place: int) -> None:
        chunk.known[place] = RowOutcome(Outcome.APPLIED, "")
        self._queue.finish(chunk)
        sending._Row(self, chunk, place).send()

    return [(sending._Run, "_send", send)]


@mutant("close a chunk while rows of it are under way", Kind.TRANSACTIONS)
def _under_way() -> Sequence[Patch]:
    def collect(self: RowQueue) -> None:
        done = [chunk for chunk in self._chunks if not chunk.waiting]
        self._done += done
        for chunk in done:
            self._chunks.remove(chunk)

    return [(RowQueue, "_collect_done", collect)]


@mutant("forget that a row may have been sent", Kind.TRANSACTIONS)
def _forgotten() -> Sequence[Patch]:
    return [(sending._Row, "_unknown", lambda *_: None)]


@mutant("keep nothing of a chunk that is released", Kind.TRANSACTIONS)
def _nothing_kept() -> Sequence[Patch]:
    original = ChunkSettler.release

    def release(
        self: ChunkSettler, batch: Batch, intent: Chunk, known: Sequence[Any], not_before: datetime | None
    ) -> None:
        original(self, batch, intent, [None] * len(known), not_before)

    return [(ChunkSettler, "release", release)]


@mutant("take over rows as if they were never sent", Kind.TRANSACTIONS)
def _never_sent() -> Sequence[Patch]:
    return [(settlement, "_PERHAPS_SENT", None)]


@mutant("settle rows in doubt before the deadline", Kind.TRANSACTIONS)
def _early_doubt() -> Sequence[Patch]:
    original = sending._Run._close

    def close(self: Any, chunk: OpenChunk) -> None:
        known = [row for row in chunk.known if row]
        if len(known) < len(chunk.rows) or all(row.outcome is not Outcome.IN_DOUBT for row in known):
            original(self, chunk)
        else:
            settled = settlement_of(chunk.rows, known)
            self.sender.settler.settle(self._batch, chunk.intent, settled, "", ended_at=self.clock.now())

    return [(sending._Run, "_close", close)]


# --- reversals, and bodies of the API ---------------------------------------------------------------------


@mutant("reverse points as money", Kind.REVERSAL)
def _other_unit() -> Sequence[Patch]:
    original = reversal._transaction_cells

    def cells(*of_row: Any) -> list[str]:
        points, amount, *rest = original(*of_row)
        return [amount, points, *rest]

    return [(reversal, "_transaction_cells", cells)]


@mutant("reverse transactions under any ids", Kind.REVERSAL)
def _any_ids() -> Sequence[Patch]:
    return [(reversal, "_reversing_id", lambda transaction_id: transaction_id[::-1])]


@mutant("send a body of the API as a batch whatever it asks for", Kind.KEYED_BODY)
def _not_as_asked() -> Sequence[Patch]:
    return [(ApiSubmission, "accept", _accepting(lambda body: {**body, "sendAs": "batch"}))]


@mutant("leave expiry and id out of a body of the API", Kind.KEYED_BODY)
def _fields_left_out() -> Sequence[Patch]:
    def without(body: Mapping[str, Any]) -> Mapping[str, Any]:
        left_out = {"expiryAfter", "transactionId"}
        rows = [{name: row[name] for name in row.keys() - left_out} for row in body["body"]]
        return {**body, "body": rows}

    return [(ApiSubmission, "accept", _accepting(without))]


def _accepting(changed: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Callable[..., Batch]:
    """Take bodies with a key as if they were others."""
    original = ApiSubmission.accept

    def accept(self: ApiSubmission, body: Mapping[str, Any], idempotency_key: str | None) -> Batch:
        return original(self, changed(body) if idempotency_key else body, idempotency_key)

    return accept


# --- what the sweep finds ---------------------------------------------------------------------------------


@mutant("find no row by its transactionId", Kind.TRANSACTIONS)
def _not_found() -> Sequence[Patch]:
    return [(reconciler, "listed_with_ids", lambda *_: {})]


@mutant("leave rows that were sent as transactions in doubt", Kind.TRANSACTIONS)
def _left() -> Sequence[Patch]:
    def assess(*_: Any) -> Any:
        return Assessment.UNCERTAIN

    return [(reconciler, "assess_transaction", assess)]
