"""Puts the page together: one file that needs nothing else, runs nothing and asks nobody."""

from collections.abc import Mapping, Sequence
from typing import Final

from adjustments.batches.records import Batch, Chunk
from adjustments.results.report_html import sections
from adjustments.results.report_html.charts import patterns
from adjustments.results.report_html.markup import Markup, element, joined, void
from adjustments.results.report_html.style import STYLE
from adjustments.results.report_html.view_model import RowsView

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""What a browser may do for this page: show it."""


def render_report(
    batch: Batch, chunks: Sequence[Chunk], digest: RowsView, prediction: Mapping[str, int]
) -> str:
    """Write the page for a batch that has ended.

    Args:
        batch: the batch in its final status.
        chunks: all its chunks.
        digest: what its rows add up to.
        prediction: rows by forecast, of a dry run; else empty.
    """
    title = f"{batch.status.value.replace('_', ' ')}: {batch.source.key}"
    body = element(
        "body",
        patterns(),
        element(
            "main",
            sections.head(batch, prediction),
            sections.outcomes(batch, prediction),
            sections.next_steps(batch),
            _NO_TOTALS if batch.dry_run else sections.totals(batch, digest),
            sections.problems(batch, digest),
            sections.jobs(batch, chunks),
            sections.files(batch),
            sections.history(batch),
        ),
    )
    return "<!doctype html>\n" + element("html", _head(title), body, lang="en") + "\n"


_NO_TOTALS: Final = Markup("")


def _head(title: str) -> Markup:
    return element(
        "head",
        void("meta", charset="utf-8"),
        void("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        void("meta", name="referrer", content="no-referrer"),
        void("link", rel="icon", href="data:,"),
        element("title", title),
        joined([Markup(f"<style>{STYLE}</style>")]),
    )
