"""Columns that would be ignored although they change what a row means: those refuse the file.

- A *sign column*: ``amount`` has 50 and ``type`` has Deduct. Its values are words for adding and deducting.
  What they mean for the amount is not guessed.
- A *meaningful column*: an expiry date, a currency, an e-mail address. A batch can't carry it. Some of them a
  manual transaction can.

A column without a value in any row refuses nothing, and the metadata ``ignore-columns`` lets any column be
ignored. A column is looked at no more once a row has another word, so that this costs next to nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Set
from typing import Final

from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv.column_names import TRANSACTIONS_ONLY, transaction_role
from adjustments.submission.csv.placeholders import is_machine_word
from adjustments.submission.csv.problems import FileProblem
from adjustments.submission.csv.sign_words import (
    DEDUCTING_ALONE,
    FILLERS,
    MEANINGFUL_HEADINGS,
    SIGN_HEADINGS,
    SIGN_PAIRS,
    SIGN_WORDS,
)

_EXAMPLES_MAX: Final = 3

_WORD_CHARS_MAX: Final = 40
_OTHERS_MAX: Final = 1_000
"""Different other values after which even a column with the heading of a sign is none."""


class IgnoredColumns:
    """Looks at the columns of one file that would be ignored.

    Args:
        columns: index and heading of each column that may not be ignored.
        are_transactions: whether the file is sent as transactions.
    """

    def __init__(self, columns: Iterable[tuple[int, str]], *, are_transactions: bool = False) -> None:
        self._are_transactions = are_transactions
        self._columns = [_Column(index, name) for index, name in columns]

    def add(self, part: ValidatedRows) -> None:
        """Look at the next rows, rejected ones included."""
        for column in self._columns:
            if not column.is_settled:
                index = column.index
                column.add(set(part.cells[index]) if part.lines else set())
                column.add({bad.cells[index] for bad in part.rejections if len(bad.cells) > index})

    def check_signs(self) -> None:
        """Refuse the file where a column says which rows add and which deduct; raises FileRefused."""
        for column in self._columns:
            if column.is_sign():
                raise _sign_refusal(column)

    def of_transactions(self) -> list[str]:
        """The headings of the columns with values that only a manual transaction can carry."""
        found = [column for column in self._columns if transaction_role(column.name) in TRANSACTIONS_ONLY]
        return [column.name for column in found if column.has_meaning]

    def check_meanings(self) -> None:
        """Refuse the file where a column changes what its rows mean; raises FileRefused."""
        meaningful = [column for column in self._columns if column.has_meaning]
        if meaningful:
            raise _meaning_refusal(meaningful, self._are_transactions)


class _Column:
    def __init__(self, index: int, name: str) -> None:
        self.index = index
        self.name = name
        heading = _squeezed_heading(name)
        self._is_sign_heading = heading in _SIGN_HEADINGS
        self._carries_meaning = heading in _MEANINGFUL_HEADINGS or "expir" in heading
        self._words: dict[str, str] = {}
        self._others: set[str] = set()
        self.has_meaning = False

    @property
    def is_settled(self) -> bool:
        """Whether more rows can't change anything."""
        others_max = _OTHERS_MAX if self._is_sign_heading else 0
        return len(self._others) > others_max and (self.has_meaning or not self._carries_meaning)

    def add(self, cells: Set[str]) -> None:
        for cell in cells - self._others:
            text = cell.strip()
            if not text or is_machine_word(text):
                continue
            word = _sign_of(text)
            if word:
                self._words.setdefault(word, text)
            else:
                self._others.add(cell)
            self.has_meaning = self.has_meaning or (self._carries_meaning and word != "-")
            if self.is_settled:
                return

    def is_sign(self) -> bool:
        """Whether the values say which rows add and which deduct."""
        words = self._words.keys()
        if self._is_sign_heading and words & _SIGN_WORDS:
            return True
        if self._others or not words:
            return False
        if self._is_sign_heading:
            return words != {"1"}
        if words & _SIGN_WORDS:
            return True
        is_pair = any(words <= pair for pair in _PAIRS)
        return is_pair and (len(words) > 1 or not words.isdisjoint(DEDUCTING_ALONE))

    def examples(self) -> str:
        shown_words = sorted(self._words.values())[:_EXAMPLES_MAX]
        return ", ".join(f'"{shown(word)}"' for word in shown_words)

    def title(self) -> str:
        return f'"{shown(self.name)}"' if self.name else f"{self.index + 1} (without a heading)"


def _sign_refusal(column: _Column) -> FileRefused:
    return FileRefused(
        FileProblem.SIGN_COLUMN,
        f"the column {column.title()} says which rows add and which deduct ({column.examples()}), but only "
        "the amount counts. Write the sign into the amount (50 adds, -50 deducts), remove the column, and "
        f"drop the file again; {_allow([column], 'if the amounts have their signs')}",
    )


def _meaning_refusal(columns: list[_Column], are_transactions: bool) -> FileRefused:
    names = ", ".join(column.title() for column in columns)
    carrier = "neither a batch nor a manual transaction can" if are_transactions else "a batch can't"
    advice = ""
    if all(transaction_role(column.name) for column in columns):
        advice = (
            " if Gameball is to have them, drop the file with metadata "
            '"send-as: transactions" (adjust submit --send-as transactions);'
        )
    return FileRefused(
        FileProblem.MEANINGFUL_COLUMN,
        f"the file has values under {names}, which {carrier} carry: they would be lost. Remove what is "
        f"not needed and drop the file again;{advice} {_allow(columns, 'if nothing depends on them')}",
    )


def _allow(columns: list[_Column], condition: str) -> str:
    names = ",".join(shown(column.name.replace(",", "%2C")) for column in columns)
    if not names.strip(","):
        return f"{condition} already, give the column a heading and name it in ignore-columns"
    how = f'metadata "ignore-columns: {names}", or adjust submit --ignore-columns "{names}"'
    return f"{condition}, have it read without: {how}"


def _sign_of(text: str) -> str:
    """The sign that a cell stands for, normalised; empty if it is no sign word."""
    if len(text) > _WORD_CHARS_MAX:
        return ""
    plain = _plain(text)
    if plain in _SIGNS:
        return plain
    tokens = [token for token in re.split(r"[\s_\-/.]+", plain) if token and token not in FILLERS]
    return " ".join(tokens) if tokens and all(token in _SIGN_WORDS for token in tokens) else ""


def _plain(text: str) -> str:
    """Without letter case and accents, and with one kind of minus."""
    # Turkish has two letters i, one of which is written I in capitals as well.
    decomposed = unicodedata.normalize(
        "NFKD", text.casefold().replace("\N{LATIN SMALL LETTER DOTLESS I}", "i")
    )
    kept = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub("[‐‑‒–—−﹣－]", "-", kept).strip(" .")  # noqa: RUF001


def _squeezed_heading(name: str) -> str:
    return re.sub(r"[\s_.\-:]+", "", _plain(name))


_SIGN_WORDS: Final = frozenset(map(_plain, SIGN_WORDS))
_PAIRS: Final = tuple(frozenset(map(_plain, pair)) for pair in SIGN_PAIRS)
_SIGNS: Final = _SIGN_WORDS.union(*_PAIRS, ("1", "+1", "-1"))
_SIGN_HEADINGS: Final = frozenset(map(_squeezed_heading, SIGN_HEADINGS))
_MEANINGFUL_HEADINGS: Final = frozenset(map(_squeezed_heading, MEANINGFUL_HEADINGS))
