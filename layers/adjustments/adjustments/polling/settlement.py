"""Keeps what became of a chunk's rows: first the outcomes, then the chunk that names them."""

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import starmap

from adjustments.aws.event_log import tell
from adjustments.batches.files import Files
from adjustments.batches.outcomes import RowOutcome, Settlement, shared_outcome, stored_outcome
from adjustments.batches.payloads import rows_of
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.states import ChunkState
from adjustments.batches.store import BatchStore
from adjustments.batches.work_files import WorkKeys
from adjustments.core.decimals import plain
from adjustments.core.runtime import Ids


class Settler:
    """Reads a chunk's rows and writes their outcomes."""

    def __init__(self, store: BatchStore, files: Files, ids: Ids) -> None:
        self._store = store
        self._files = files
        self._ids = ids

    def rows(self, chunk: Chunk) -> list[bytes]:
        """The rows of a chunk, as they were sent."""
        return rows_of(self._files.get(chunk.payload_key))[chunk.first : chunk.last]

    def outcomes(self, batch: Batch, chunk: Chunk) -> Sequence[RowOutcome]:
        """The outcomes of a chunk's rows, in order."""
        if chunk.state is not ChunkState.SETTLED:
            return [shared_outcome(batch, chunk)] * chunk.rows
        return list(starmap(stored_outcome, json.loads(self._files.get(chunk.outcomes_key))))

    def settle(
        self,
        batch: Batch,
        chunk: Chunk,
        settlement: Settlement,
        job_state: str,
        *,
        ended_at: datetime | None = None,
    ) -> None:
        """Keep a settlement; raises WrongState when somebody else changed the chunk meanwhile.

        Each settlement has an object of its own, so that one that comes second changes nothing of the first.
        """
        key = WorkKeys(batch.batch_id, batch.plan_id).outcomes(chunk.chunk_id, self._ids.fresh())
        self._files.put(key, json.dumps(settlement.rows).encode(), "application/json")
        settled = chunk.settled(
            job_state=job_state,
            outcomes_key=key,
            counts=settlement.counts,
            applied_total=plain(settlement.applied_total),
            ended_at=chunk.ended_at or ended_at,
        )
        self._store.save_chunk(batch, settled)
        counts = settled.counts
        told = {"applied": counts.applied, "failed": counts.failed, "in_doubt": counts.in_doubt}
        tell("chunk settled", batch, settled, **told)
