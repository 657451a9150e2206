"""Puts the page together: one file that needs no other, runs no script and makes no request."""

from collections.abc import Sequence
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
"""The Content Security Policy: a browser may only show the page."""


def render_report(batch: Batch, chunks: Sequence[Chunk], rows: RowsView) -> str:
    """Render the page for a batch that has ended.

    Args:
        batch: the batch in its final status.
        chunks: all its chunks.
        rows: what the page shows of its rows.

    Returns:
        The HTML document.
    """
    title = f"{batch.status.value.replace('_', ' ')}: {batch.source.key}"
    main = element(
        "main",
        sections.header(batch),
        sections.outcomes(batch),
        sections.next_steps(batch),
        sections.totals(batch, rows),
        sections.problems(batch, rows),
        sections.jobs(batch, chunks),
        sections.files(batch),
        sections.history(batch),
        sections.foot(),
    )
    body = element("body", patterns(), main)
    return "<!doctype html>\n" + element("html", _head(title), body, lang="en") + "\n"


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
