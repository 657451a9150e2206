"""What may be logged. Addresses and numbers of customers may hide in ids and names that callers choose."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from adjustments.manual.transaction import ManualTransaction

_ADDRESS: Final = re.compile(r"[^\s/:]*@[^\s/]*")
_NUMBER: Final = re.compile(r"(?<![0-9])(?:\+|00)[1-9](?:[ ()./-]{0,3}[0-9]){6,14}")
"""A telephone number in its international form; without that, it can't be told from an order's number."""

_CHARS_MAX: Final = 300
_DIGITS: Final = 12
"""Hexadecimal digits of a masked id: enough to tell the customers of one company apart."""

_TELLING_CHARS_MIN: Final = 5
"""A shorter id may stand anywhere in other words by chance."""


def loggable(text: str, *private: str | None) -> str:
    """A caller's text without e-mail addresses, telephone numbers and the values given as private."""
    for value in private:
        if value:
            text = text.replace(value, "(withheld)")
    return _NUMBER.sub("(withheld)", _ADDRESS.sub("(withheld)", text))[:_CHARS_MAX]


def masked(customer_id: str, stack: str) -> str:
    """A customer's id as the logs of one stack show it: always the same, and not to be read back.

    A pseudonym, no more: whoever has the id finds its lines (docs/runbook.md), and who can guess it, too.
    """
    digest = hashlib.sha256(f"{stack}\0{customer_id}".encode(errors="surrogatepass")).hexdigest()
    return f"masked-{digest[:_DIGITS]}"


def names_of(transaction: ManualTransaction, caller: str, stack: str, is_masked: bool) -> Mapping[str, str]:
    """What the lines on a manual transaction are found by.

    Args:
        caller: who asks for it.
        stack: the stack's name; the same customer is masked otherwise in another stack.
        is_masked: whether the customer's id is masked, also where it stands in the other names.
    """
    customer = transaction.customer_id
    private = (transaction.email, transaction.mobile)
    shown = masked(customer, stack) if is_masked else loggable(customer, *private)

    def told(text: str) -> str:
        clean = loggable(text, *private)
        hides = is_masked and len(customer) >= _TELLING_CHARS_MIN
        return clean.replace(customer, shown) if hides else clean

    return {
        "customer_id": shown,
        "transaction_id": told(transaction.transaction_id),
        "username": told(transaction.username),
        "caller": told(caller),
    }
