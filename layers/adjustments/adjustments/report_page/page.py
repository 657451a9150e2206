"""The report that people read: one self-contained page per batch, every value escaped."""

from collections.abc import Sequence
from html import escape
from typing import Final

from adjustments.model import Batch, Chunk
from adjustments.states import BatchStatus, ChunkState
from adjustments.summary import instant, job_status, message_of

VERDICTS: Final = {
    BatchStatus.COMPLETED: "Every row was applied.",
    BatchStatus.COMPLETED_WITH_ERRORS: "Done, but some rows were not applied: see fix-me.csv.",
    BatchStatus.VALIDATED: "Dry run: the file was checked and nothing was sent.",
    BatchStatus.REJECTED: "The whole file was refused. Nothing was sent.",
    BatchStatus.STOPPED: "Stopped before everything was sent. The rest is in fix-me.csv.",
    BatchStatus.NEEDS_ATTENTION: "Some rows were sent and their outcome is unknown. Do not send them again: "
    "look them up at Gameball first.",
}

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Batch {batch_id}</title>
<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem
auto; padding:0 1rem}}table{{border-collapse:collapse}}td,th{{padding:.2rem
.8rem;text-align:left;border-bottom:1px solid}} </style></head><body> <h1>{verdict}</h1><p>{message}</p>
<p>Batch <code>{batch_id}</code> of <code>{key}</code>, {status}, from {created} to {finished}.</p>
<h2>Rows</h2>{counts}<p>Requested {total}, applied {applied_total}.</p> <h2>Jobs</h2>{jobs}
<h2>Notes</h2><ul>{notes}</ul> <p>Files beside this page: results.csv (every row), fix-me.csv (what can be
dropped again), summary.json.</p> </body></html>
"""


def report_page(batch: Batch, chunks: Sequence[Chunk]) -> str:
    """Write the page for a batch that has ended."""
    counts = [(name.replace("_", " "), number) for name, number in batch.counts.model_dump().items()]
    jobs = [
        (chunk.chunk_id, chunk.job_id or "", job_status(chunk), chunk.rows)
        for chunk in chunks
        if chunk.state is not ChunkState.SPLIT
    ]
    return _PAGE.format(
        batch_id=escape(batch.batch_id),
        verdict=escape(VERDICTS.get(batch.status, batch.status.value)),
        message=escape(message_of(batch)),
        key=escape(batch.source.key),
        status=escape(batch.status.value),
        created=escape(instant(batch.created_at)),
        finished=escape(instant(batch.finished_at)) if batch.finished_at else "",
        counts=_table(("outcome", "rows"), counts),
        total=escape(batch.total),
        applied_total=escape(batch.applied_total),
        jobs=_table(("chunk", "job", "status", "rows"), jobs),
        notes="".join(f"<li>{escape(note)}</li>" for note in batch.notes),
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>{body}</table>"
