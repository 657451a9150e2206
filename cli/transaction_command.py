"""The command that adds one manual transaction."""

import uuid
from decimal import Decimal, InvalidOperation

import click

from cli.context import CommandContext, examples, with_context
from cli.errors import Exit, ServiceError, UsageError
from cli.stack import Stack


@click.command(
    short_help="Add one manual transaction.",
    epilog=examples(
        "adjust transact --customer C1 --points 50 --reason goodwill",
        "adjust transact --customer C1 --points -20 --reason correction --id ticket-4711",
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
) -> int:
    """Add one manual transaction for one customer, applied at once.

    A transaction is applied once for its --id, however often the command is run. Without --id a new one is
    generated and printed. Your IAM identity is recorded with it, whatever --username says.
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
    try:
        body = {field: value for field, value in fields.items() if value is not None}
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
