"""Shows what was done for one customer, and what Gameball says of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.text import Text

from adjustments.reconciliation.history_matching import matched_with
from cli.context import CommandContext, examples, with_context
from cli.customer_view import amount_text, balance_text, entry_cells, outcome_text, people_text, search_text
from cli.errors import Exit
from cli.output import STYLES, moment

_OUTCOME_STYLES: Final = {
    "applied": STYLES["completed"],
    "failed": STYLES["rejected"],
    "rejected": STYLES["rejected"],
    "in_doubt": STYLES["needs_attention"],
}
_COLUMNS: Final = ("time", "amount", "outcome", "reason", "batch or transaction", "line", "by", "message")
_SPARE: Final = ("message", "by", "reason")
_LIVE_COLUMNS: Final = ("time", "amount", "balance after", "reason", "made here as")


@click.command(
    short_help="Show what was done for one customer.",
    epilog=examples("adjust customer player-00325", "adjust customer player-00325 --live"),
)
@click.argument("customer_id", metavar="CUSTOMER")
@click.option("--live", is_flag=True, help="Show Gameball's own balance and transactions beside it.")
@click.option(
    "--limit",
    default=200,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Rows after which the search ends.",
)
@with_context
def customer(context: CommandContext, customer_id: str, live: bool, limit: int) -> int:
    """Show every row of every batch and every manual transaction for CUSTOMER, newest first.

    It reaches back 400 days. Files that were refused as a whole, dry runs, and manual transactions that
    Gameball refused are not in it: nothing was sent, or applied, of them.
    """
    rows, searched, gameball, after = _read(context, customer_id, live, limit)
    matches = matched_with(gameball.get("transactions") or [], rows)
    if context.output.is_json:
        own = {"gameball": {**gameball, **_matched(gameball, matches)}} if live else {}
        context.output.data({"customerId": customer_id, "rows": rows, "searched": searched, **own})
        return Exit.OK
    if rows:
        context.output.table(_COLUMNS, list(map(_cells, rows)), _SPARE)
    more = "; there is more: use a higher --limit" if after else ""
    context.output.say(f"{search_text(len(rows), searched)}{more}")
    if live:
        _show_live(context, gameball, matches)
    return Exit.OK


def _read(
    context: CommandContext, customer_id: str, live: bool, limit: int
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any], str | None]:
    """Read page after page; Gameball's own data comes with the first one."""
    page = context.api.page_of_customer(customer_id, live=live)
    rows, searched, gameball = list(page["rows"]), dict(page["searched"]), page.get("gameball") or {}
    while (after := page.get("next")) and len(rows) < limit:
        page = context.api.page_of_customer(customer_id, after)
        rows += page["rows"]
        for name in ("batches", "withoutIndex"):
            searched[name] += page["searched"][name]
        searched["since"] = page["searched"]["since"]
    return rows, searched, gameball, after


def _cells(row: Mapping[str, Any]) -> list[str | Text]:
    return [
        moment(row["time"]),
        amount_text(row),
        Text(outcome_text(row), style=_OUTCOME_STYLES.get(str(row["outcome"]), "yellow")),
        str(row["reason"]),
        str(row["batchId"] or row.get("transactionId") or ""),
        str(row["line"] or ""),
        people_text(row),
        str(row["message"]),
    ]


def _show_live(
    context: CommandContext, gameball: Mapping[str, Any], matches: Sequence[Mapping[str, Any] | None]
) -> None:
    output = context.output
    if error := gameball.get("error"):
        output.warn(f"Gameball: {error}")
        return
    output.say(f"Gameball's balance: {balance_text(gameball)}")
    entries = gameball.get("transactions") or []
    if not entries:
        output.say("Gameball lists no transaction of this customer")
        return
    pairs = zip(entries, matches, strict=True)
    output.table(_LIVE_COLUMNS, [_live_cells(entry, match) for entry, match in pairs], ("reason",))
    if not gameball.get("isWhole", True):
        output.say("Gameball's list goes on; these are the first pages of it")


def _live_cells(entry: Mapping[str, Any], match: Mapping[str, Any] | None) -> list[str | Text]:
    *cells, made = entry_cells(entry, match)
    return [*cells, made or Text("not made here", style="yellow")]


def _matched(
    gameball: Mapping[str, Any], matches: Sequence[Mapping[str, Any] | None]
) -> Mapping[str, list[dict[str, Any]]]:
    names = ("batchId", "line", "transactionId")
    pairs = zip(gameball.get("transactions") or [], matches, strict=True)
    return {
        "transactions": [
            {**entry, "match": match and {name: match[name] for name in names if match[name] is not None}}
            for entry, match in pairs
        ]
    }
