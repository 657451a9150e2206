"""Redaction: what may be logged. E-mail addresses and telephone numbers may hide in ids and names."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from adjustments.manual_transactions.model import ManualTransaction

_EMAIL: Final = re.compile(r"[^\s/:]*@[^\s/]*")
_PHONE: Final = re.compile(r"(?<![0-9])(?:\+|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,14}")
"""A telephone number in its international form; without that, it looks like the number of an order."""

IAM_IDENTITY: Final = "arn:"
"""How the identity of a caller of the API begins; the origin of an event begins in another way."""

_WITHHELD: Final = "(withheld)"
_CHARS_MAX: Final = 300
_MASK_DIGITS: Final = 12
"""Hexadecimal digits of a mask: enough to keep the customers of one company apart."""

_MASKED_CHARS_MIN: Final = 5
"""A shorter id may be part of other words by chance, and is left there."""


def redact(text: str, *private: str | None) -> str:
    """Remove e-mail addresses, telephone numbers and the values given as private; cut what is too long."""
    for value in private:
        if value:
            text = text.replace(value, _WITHHELD)
    return _PHONE.sub(_WITHHELD, _EMAIL.sub(_WITHHELD, text))[:_CHARS_MAX]


def mask(customer_id: str, stack: str) -> str:
    """Make a pseudonym of a customer's id: the same in all logs of one stack, another one in other stacks.

    Whoever has the id finds its lines (docs/runbook.md), and so does whoever can guess it.
    """
    digest = hashlib.sha256(f"{stack}\0{customer_id}".encode(errors="surrogatepass")).hexdigest()
    return f"masked-{digest[:_MASK_DIGITS]}"


def log_keys(transaction: ManualTransaction, caller: str, stack: str, is_masked: bool) -> Mapping[str, str]:
    """The keys by which the log lines of a manual transaction are found.

    Args:
        transaction: the transaction.
        caller: who sent it. An IAM identity, by which AWS names a caller of the API, stays whole: it is no
            customer's, and a session's name may be the person's address.
        stack: the stack's name, which is part of the mask.
        is_masked: whether the customer's id is masked, also where it is part of the other names.
    """
    customer = transaction.customer_id
    private = (transaction.email, transaction.mobile)
    shown = mask(customer, stack) if is_masked else redact(customer, *private)
    hidden = customer if is_masked and len(customer) >= _MASKED_CHARS_MIN else None
    names = {"transaction_id": transaction.transaction_id, "username": transaction.username}
    if not caller.startswith(IAM_IDENTITY):
        names["caller"] = caller
    keys = {name: _replace(redact(text, *private), hidden, shown) for name, text in names.items()}
    return {"caller": caller, "customer_id": shown, **keys}


def _replace(text: str, hidden: str | None, shown: str) -> str:
    return text.replace(hidden, shown) if hidden else text
