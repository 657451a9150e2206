"""Which encoding a file has: never guessed, because ids and texts that customers read depend on it.

A byte-order mark is certain, and so is UTF-8 once a file has a character of several bytes in it: in other
encodings such bytes hardly ever come together by chance. A byte that is not UTF-8 then rejects its row. A
file without any such character has either ASCII alone, where nothing depends on the encoding, or bytes that
could be anything: then the metadata has to say the encoding, or DefaultEncoding, or the file is refused with
how its first such cell reads in the likely ones.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown, visible
from adjustments.submission.csv.problems import FileProblem

LOST: Final = "\ufffd"
"""Stands for a byte that can't be read; a row that has it is rejected."""

READINGS_SHOWN_MAX: Final = 5
_CELL_BYTES_SHOWN_MAX: Final = 30

_BAD_BYTES: Final = re.compile("[\udc80-\udcff]")
_SEVERAL_BYTES: Final = re.compile("[^\x00-\x7f\udc80-\udcff]")
_NO_FILE_ENCODINGS: Final = frozenset(
    {"unicode-escape", "raw-unicode-escape", "idna", "punycode", "undefined", "utf-7", "charmap"}
)
_LIKELY: Final = (
    *("windows-1252", "windows-1256", "windows-1250", "windows-1251", "windows-1253", "windows-1254"),
    *("windows-1255", "mac_roman", "cp850", "cp720", "cp866", "shift_jis", "gb18030", "big5", "euc_kr"),
)
"""The encodings of spreadsheets on Windows, Macs and DOS, the most usual first."""


def is_text_encoding(name: str) -> bool:
    """Whether Python knows an encoding of this name that files have."""
    try:
        b"a".decode(name)
    except UnicodeError:
        pass  # one that takes two bytes for a character
    except (LookupError, ValueError):
        return False
    return codecs.lookup(name).name.replace("_", "-") not in _NO_FILE_ENCODINGS


def is_utf8(name: str) -> bool:
    """Whether a name stands for UTF-8."""
    return codecs.lookup(name).name in {"utf-8", "utf-8-sig"}


class Utf8Evidence:
    """What the text of a file shows of its encoding, where it was decoded as UTF-8 with surrogate escapes.

    Args:
        is_certain: whether it is UTF-8 whatever the text shows: a mark or the metadata says so.
    """

    def __init__(self, *, is_certain: bool) -> None:
        self._is_certain = is_certain
        self._first: tuple[int, str, bytes] | None = None

    def watch(self, texts: Iterator[str]) -> Iterator[str]:
        """Pass texts on, looking for a character of several bytes."""
        for text in texts:
            self._is_certain = self._is_certain or bool(not text.isascii() and _SEVERAL_BYTES.search(text))
            yield text

    def readable(self, cell: str, line: int, column: str) -> str:
        """The cell with bad bytes replaced; the first one is kept as an example."""
        if cell.isascii() or not _BAD_BYTES.search(cell):
            return cell
        if self._first is None:
            self._first = line, column, cell.encode("utf-8", "surrogateescape")
        return _BAD_BYTES.sub(LOST, cell)

    @property
    def is_open(self) -> bool:
        """Whether so far the bytes could be in any encoding."""
        return self._first is not None and not self._is_certain

    def refusal(self) -> FileRefused:
        """Why a file is refused whose encoding is open."""
        line, column, data = self._first or (0, "", b"")
        readings = likely_readings(data)
        example = ", ".join(f'"{shown(text)}" in {" or ".join(names)}' for text, names in readings)
        where = f'line {line}, column "{shown(column)}"' if column else f"line {line}"
        return FileRefused(
            FileProblem.UNKNOWN_ENCODING,
            f"the file is not UTF-8, and nothing says what it is: {where} reads "
            f"{example or 'in no usual encoding'}. Save it as "
            '"CSV UTF-8", or drop it again with the name of the right encoding: metadata "encoding: NAME", '
            "or adjust submit --encoding NAME",
        )


def has_bad_bytes(text: str) -> bool:
    """Whether a text decoded with surrogate escapes has bytes that are not UTF-8."""
    return not text.isascii() and _BAD_BYTES.search(text) is not None


def likely_readings(data: bytes) -> list[tuple[str, list[str]]]:
    """How bytes read in the likely encodings, the most usual first: each reading with its encodings."""
    readings: dict[str, list[str]] = {}
    for is_wanted in (_is_words, str.isprintable):
        for name in _LIKELY:
            try:
                text = visible(data[:_CELL_BYTES_SHOWN_MAX].decode(name)).strip()
            except UnicodeDecodeError:
                continue
            if is_wanted(text):
                readings.setdefault(text, []).append(name)
        if readings:
            break
    return list(readings.items())[:READINGS_SHOWN_MAX]


def _is_words(text: str) -> bool:
    """Whether a reading could be what somebody wrote: letters, and the signs that stand beside them."""
    return all(char.isascii() or char.isalpha() or char in "€£–—‘’“”„«»…·°ºª¡¿،؛؟№" for char in text)  # noqa: RUF001
