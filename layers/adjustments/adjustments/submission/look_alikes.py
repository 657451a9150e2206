"""Finds customer ids that look alike in one file: whoever checks the file takes them for one customer.

Two ids look alike when they differ only in the letter case of an e-mail address, in no-break spaces, or in
how accented letters are put together. At least one of them is then *odd*: it differs from its plain form. So
only odd ids are kept, and most files have none.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from adjustments.core.printable import code_point, shown

ODD_IDS_MAX: Final = 10_000
"""Odd ids that are compared: bounds memory in a file of nothing else."""

EXAMPLES_MAX: Final = 3

_NO_BREAK_SPACES: Final = str.maketrans("\u00a0\u2007\u202f", "   ")


class LookAlikes:
    """Compares the ids of one file: all are added, and then, where ``has_odd_ids``, seen a second time."""

    def __init__(self) -> None:
        self._odd: dict[str, str] = {}
        self._pairs: dict[str, tuple[str, str]] = {}

    @property
    def has_odd_ids(self) -> bool:
        """Whether any id differs from its plain form."""
        return bool(self._odd)

    def add(self, customer_ids: Sequence[str]) -> None:
        """Look for odd ids, and for two odd ones that look alike."""
        text = "".join(customer_ids)
        if text.isascii() and ("@" not in text or text == text.lower()):
            return
        for customer_id in customer_ids:
            plain = plain_form(customer_id)
            if plain == customer_id:
                continue
            if plain in self._odd:
                self._note(plain, customer_id)
            elif len(self._odd) < ODD_IDS_MAX:
                self._odd[plain] = customer_id

    def compare(self, customer_ids: Iterable[str]) -> None:
        """Find the ids that look like an odd one and are plain themselves."""
        for plain in self._odd.keys() & set(customer_ids):
            self._note(plain, plain)

    def notes(self) -> list[str]:
        """What a person should know of it: both forms of some."""
        if not self._pairs:
            return []
        pairs = [f"{_visible(one)} and {_visible(other)}" for one, other in self._pairs.values()]
        more = f", and {len(pairs) - EXAMPLES_MAX:,} more" if len(pairs) > EXAMPLES_MAX else ""
        return [f"customer ids that look alike and are not the same: {'; '.join(pairs[:EXAMPLES_MAX])}{more}"]

    def _note(self, plain: str, customer_id: str) -> None:
        if self._odd[plain] != customer_id:
            self._pairs.setdefault(plain, (self._odd[plain], customer_id))


def plain_form(customer_id: str) -> str:
    """What a person sees of an id: e-mail addresses without letter case, ordinary spaces, whole letters."""
    plain = unicodedata.normalize("NFC", customer_id.translate(_NO_BREAK_SPACES))
    return plain.lower() if "@" in plain else plain


def _visible(customer_id: str) -> str:
    """The id as a message shows it, with what nobody sees named."""
    named = "".join(
        code_point(char) if unicodedata.combining(char) or char in "\u00a0\u2007\u202f" else char
        for char in shown(customer_id)
    )
    return f'"{named}"'
