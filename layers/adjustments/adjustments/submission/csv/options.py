"""How a file is to be read: what its object's metadata says, and what reading it has shown so far."""

from collections.abc import Mapping
from email.header import decode_header, make_header
from typing import Final, NamedTuple
from urllib.parse import unquote

from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv.encodings import is_text_encoding
from adjustments.submission.csv.problems import FileProblem

ENCODING: Final = "encoding"
COLUMNS: Final = "columns"
IGNORE_COLUMNS: Final = "ignore-columns"

COLUMN_ROLES: Final = ("customerId", "amount", "reason")
"""What ``columns`` can name a heading for."""


class ReadOptions(NamedTuple):
    """How a file is to be read.

    Args:
        encoding: the encoding that the metadata names; empty to go by the bytes.
        default_encoding: the one for files whose bytes leave it open (DefaultEncoding); empty to refuse them.
        columns: the heading of each role that the metadata names one for.
        ignore_columns: headings that may be ignored although they carry meaning.
        has_decimal_commas: whether a row has a decimal comma, so that ``1.250`` may be a thousand.
    """

    encoding: str = ""
    default_encoding: str = ""
    columns: Mapping[str, str] = {}
    ignore_columns: tuple[str, ...] = ()
    has_decimal_commas: bool = False


class ReadAgain(Exception):
    """The file has to be read again from its beginning, with other options."""

    def __init__(self, options: ReadOptions) -> None:
        super().__init__(options)
        self.options = options


def options_of(metadata: Mapping[str, str], default_encoding: str = "") -> ReadOptions:
    """Read the options from an object's metadata.

    S3 keeps ASCII only, so other characters, and a comma within a heading, come percent-encoded (``%2C``).

    Args:
        metadata: the object's metadata.
        default_encoding: the stack's DefaultEncoding.

    Raises:
        FileRefused: an option makes no sense.
    """
    encoding = metadata.get(ENCODING, "").strip().lower()
    if encoding and not is_text_encoding(encoding):
        raise _refusal(
            ENCODING, f'there is no encoding "{shown(encoding)}"; write one such as windows-1256 or utf-8'
        )
    return ReadOptions(
        encoding=encoding,
        default_encoding=default_encoding,
        columns=_columns(_text(metadata, COLUMNS)),
        ignore_columns=_items(_text(metadata, IGNORE_COLUMNS)),
    )


def _columns(text: str) -> dict[str, str]:
    roles = {role.casefold(): role for role in COLUMN_ROLES}
    columns: dict[str, str] = {}
    for item in _items(text):
        name, equals, heading = (part.strip() for part in item.partition("="))
        role = roles.get(name.casefold())
        if role is None or not equals or not heading or role in columns or heading in columns.values():
            raise _refusal(
                COLUMNS,
                f'"{shown(item)}" does not name a heading; write, each once, such as '
                "customerId=Kundennummer,amount=Punkte,reason=Grund",
            )
        columns[role] = heading
    return columns


def _text(metadata: Mapping[str, str], name: str) -> str:
    text = metadata.get(name, "")
    # S3 returns characters beyond ASCII, which its console lets through, in the form of RFC 2047.
    return str(make_header(decode_header(text))) if "=?" in text else text


def _items(text: str) -> tuple[str, ...]:
    return tuple(unquote(item).strip() for item in text.split(",") if item.strip())


def _refusal(option: str, fault: str) -> FileRefused:
    return FileRefused(FileProblem.BAD_OPTION, f'metadata "{option}": {fault}; then drop the file again')
