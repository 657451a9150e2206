"""What was done for one customer, page by page."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from adjustments.core.limits import CUSTOMER_ID_CHARS_MAX
from adjustments.reconciliation.history_matching import matched_with
from cli.console.batch_pages import services_of
from cli.console.pages import page
from cli.customer_view import amount_text, balance_text, entry_cells, outcome_text, people_text, search_text
from cli.errors import UsageError

_TONES: Final = {"applied": "good", "failed": "bad", "rejected": "bad", "in_doubt": "bad"}


def show_customer(request: Request) -> Response:
    """Ask for a customer, and show a page of what was done for that customer, newest first."""
    query = request.query_params
    customer_id, after = query.get("id", "").strip(), query.get("after") or None
    is_live = query.get("live") == "yes"
    if len(customer_id) > CUSTOMER_ID_CHARS_MAX:
        raise UsageError(f"the customer id is longer than {CUSTOMER_ID_CHARS_MAX} characters")
    if not customer_id:
        return page(request, "customer.html", customer_id="", is_live=is_live)
    found = services_of(request).api.page_of_customer(customer_id, after, live=is_live)
    rows, gameball = found["rows"], found.get("gameball") or {}
    entries = gameball.get("transactions") or []
    return page(
        request,
        "customer.html",
        customer_id=customer_id,
        is_live=is_live,
        after=after,
        following=found.get("next"),
        rows=[
            {
                **row,
                "amountText": amount_text(row),
                "people": people_text(row),
                "outcomeText": outcome_text(row),
                "tone": _TONES.get(str(row["outcome"]), "warn"),
            }
            for row in rows
        ],
        search=search_text(len(rows), found["searched"]),
        gameball=gameball,
        balance=balance_text(gameball) if gameball else "",
        entries=list(map(entry_cells, entries, matched_with(entries, rows))),
    )
