"""The command that adds one manual transaction."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from adjustments.core import errors, exact_json
from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from cli.context import CommandContext, examples, with_context
from cli.errors import Exit, RequestRefused, ServiceError, UsageError
from cli.stack import Stack


@click.command(
    short_help="Add one manual transaction.",
    epilog=examples(
        "adjust transact --customer C1 --points 50 --reason goodwill",
        "adjust transact --customer C1 --points -20 --reason correction --id ticket-4711",
        "adjust transact --customer C1 --points 50 --reason goodwill --dry-run",
        "adjust transact --customer C1 --amount 12.50 --reason refund --username ada --expiry-days 90",
    ),
)
@click.option("--customer", required=True, help="The customer's id.")
@click.option("--points", "whole_points", type=int, help="Points to add; negative to deduct.")
@click.option("--amount", help="Money instead of points, in the account's currency; negative to deduct.")
@click.option("--reason", required=True, help="Reason; the customer may see it.")
@click.option(
    "--username", help="Name of the person who makes the transaction [default: your IAM user or session]."
)
@click.option("--id", "transaction_id", help="Id of the transaction; the same id is never applied twice.")
@click.option("--expiry-days", type=int, help="Days until the points expire.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Check it and show what would be sent; send nothing.")
@with_context
def transact(
    context: CommandContext,
    customer: str,
    whole_points: int | None,
    amount: str | None,
    reason: str,
    username: str | None,
    transaction_id: str | None,
    expiry_days: int | None,
    is_dry: bool,
) -> int:
    """Add one manual transaction for one customer, applied at once.

    A transaction is applied once for its --id, however often the command is run. Without --id a new one is
    generated and printed. Your IAM identity is recorded with it, whatever --username says.

    With --dry-run the fields are checked as the API checks them, and nothing is sent: neither to the API nor
    to Gameball. So it does not tell whether the customer exists or has enough points.
    """
    if (whole_points is None) == (amount is None):
        raise UsageError("give either --points or --amount")
    name = transaction_id or f"adjust-{uuid.uuid4()}"
    fields = {
        "customerId": customer,
        "transactionId": name,
        "username": username or own_name(context.stack),
        "reason": reason,
        "points": whole_points,
        "amount": _exact(amount) if amount is not None else None,
        "expiryAfter": expiry_days,
    }
    body = {field: value for field, value in fields.items() if value is not None}
    if is_dry:
        return _show(context, _checked(body, context.stack))
    try:
        answer = context.api.transact(body)
    except ServiceError as error:
        raise ServiceError(f"{error}. Rerun the command with --id {name}: it is not applied twice") from None
    if context.output.is_json:
        context.output.data(answer)
    else:
        what = f"{whole_points:+,} points" if whole_points is not None else f"an amount of {amount}"
        added = answer.get("gameballTransactionId")
        named = f"{name} (Gameball's {added})" if added else name
        context.output.say(f"applied {what} for {customer} as transaction {named}")
    return Exit.OK


def _checked(body: Mapping[str, Any], stack: Stack) -> ManualTransaction:
    """The transaction, checked as the API does; raises RequestRefused with the API's own message."""
    largest = Decimal(stack.parameters.get("MaxManualAmount", "0"))
    try:
        return read_manual_transaction(body, datetime.now(UTC), largest)
    except errors.RequestRefused as refused:
        raise RequestRefused(f"{refused.message} (dry run; nothing was sent)", status=400) from None


def _show(context: CommandContext, transaction: ManualTransaction) -> int:
    """Show what would be sent to Gameball."""
    body = exact_json.read(transaction.body())
    if context.output.is_json:
        context.output.data({"dryRun": True, "wouldSend": body})
        return Exit.OK
    context.output.say("dry run: nothing was sent. This would be sent to Gameball:")
    context.output.pairs([(field, str(value)) for field, value in body.items()])
    context.output.say("not checked: whether the customer exists, has enough points, and the id is unused")
    return Exit.OK


def own_name(stack: Stack) -> str:
    """The name of the caller's IAM user or session; raises UsageError where AWS does not report it."""
    identity = stack.caller_identity
    if not identity:
        raise UsageError("AWS does not report who you are: give --username")
    return identity.rpartition("/")[2].rpartition(":")[2]


def _exact(text: str) -> Decimal:
    """Read a decimal number without rounding."""
    try:
        number_of = Decimal(text)
    except InvalidOperation:
        raise UsageError(f"--amount {text!r} is not a number") from None
    if not number_of.is_finite() or abs(number_of.adjusted()) > 30:
        raise UsageError(f"--amount {text!r} is out of range")
    return number_of
