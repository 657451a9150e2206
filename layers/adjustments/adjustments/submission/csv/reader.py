"""Reads a CSV file: blocks of bytes in, a ``Row`` or ``Rejection`` for each row out, in constant memory.

How the file is to be read is in its options, and in what an earlier reading has shown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Final, NamedTuple

from adjustments.batches.batch_parts import CsvDialect
from adjustments.batches.rows import Rejection, Row
from adjustments.batches.states import SendAs
from adjustments.batches.work_files import ValidatedRows
from adjustments.core.errors import FileRefused
from adjustments.core.printable import shown
from adjustments.submission.csv import header
from adjustments.submission.csv.amounts import shows_decimal_comma
from adjustments.submission.csv.column_names import TRANSACTIONS_ONLY, ColumnNames, Role
from adjustments.submission.csv.csv_injection import DELIMITERS
from adjustments.submission.csv.decoding import BLOCK_BYTES, DecodedText, decode_blocks, has_bad_bytes
from adjustments.submission.csv.grammar import LINE_END
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.ignored_columns import IgnoredColumns
from adjustments.submission.csv.parser import CsvParser, RecordBlock
from adjustments.submission.csv.problems import FileProblem, RowProblem
from adjustments.submission.csv.row_validator import RowValidator
from adjustments.submission.csv.transaction_validator import TransactionRules, TransactionValidator

AUTO: Final = "auto"
"""As transactions if the file has values that only those can carry, else as a batch."""

_HEADER_PROBLEMS: Final = (
    *(RowProblem.AMOUNT_NOT_A_NUMBER, RowProblem.TOO_FEW_FIELDS, RowProblem.TOO_MANY_FIELDS),
    *(RowProblem.BAD_QUOTES, RowProblem.CONTROL_CHARACTER),
)
"""For what a header is rejected where a row should be."""

_SEPARATOR_PROBLEMS: Final = (RowProblem.AMOUNT_DECIMAL_COMMA, RowProblem.AMOUNT_THOUSANDS_SEPARATOR)


class ReadOptions(NamedTuple):
    """How a file is to be read.

    Args:
        encoding: the encoding that the metadata names; empty to go by the bytes.
        default_encoding: the one for files whose bytes leave it open (DefaultEncoding); empty to refuse them.
        columns: the heading of each role that the metadata names one for.
        ignore_columns: headings that may be ignored although they carry meaning.
        has_decimal_commas: whether a row has a decimal comma, so that ``1.250`` may be a thousand.
        send_as: ``auto``, or a value of ``SendAs``.
        because: headings of the columns for which the file is sent as transactions; empty where it was asked.
        reason: the reason of rows without one, where they are sent as transactions.
        username: the username of rows without one, likewise.
    """

    encoding: str = ""
    default_encoding: str = ""
    columns: Mapping[str, str] = {}
    ignore_columns: tuple[str, ...] = ()
    has_decimal_commas: bool = False
    send_as: str = AUTO
    because: tuple[str, ...] = ()
    reason: str = ""
    username: str = ""

    @property
    def are_transactions(self) -> bool:
        """Whether the rows are read as transactions."""
        return self.send_as == SendAs.TRANSACTIONS


_NO_OPTIONS: Final = ReadOptions()


class ReadAgain(Exception):
    """The file has to be read again from its beginning, with other options."""

    def __init__(self, options: ReadOptions) -> None:
        super().__init__(options)
        self.options = options


def transactions_only(headings: Sequence[str]) -> FileRefused:
    """Why a file can't be sent as a batch."""
    names = ", ".join(f'"{shown(heading)}"' for heading in headings)
    columns = "column" if len(headings) == 1 else "columns"
    return FileRefused(
        FileProblem.TRANSACTIONS_ONLY,
        f"the file is to be sent as a batch, and has values in the {columns} {names}, which only "
        'transactions can carry. Remove them, or drop the file again with metadata "send-as: transactions" '
        "(adjust submit --send-as transactions)",
    )


class FileFormat(NamedTuple):
    """How the file was read, for the batch's summary and its result files; ``error`` columns are left out.

    ``units`` says of a file that is sent as transactions which column holds points, and which one money.
    """

    encoding: str
    dialect: CsvDialect
    ignored_columns: tuple[str, ...]
    header: tuple[str, ...]
    units: str = ""

    @property
    def delimiter(self) -> str:
        """What separates the fields."""
        return self.dialect.delimiter


class CsvReader:
    """Reads one CSV file once, from the first byte to the last, in memory that does not grow with the file.

    The header is read at once, so that ``format`` is always there; rows are read while iterating, once:
    over the reader, or over its ``parts``. A refusal may come after rows: nothing may be sent before the end
    has been reached.

    Args:
        blocks: the object's bytes, in pieces of any size; where they are cut makes no difference.
        amount_max: the largest absolute amount, inclusive (MaxAbsoluteAmount); 0 switches the check off.
        gzipped: whether the bytes are compressed.
        options: what the metadata says, and what an earlier reading has shown.
        block_bytes: the size of the pieces worked on, at least 16 (the longest mark or magic number).
        transactions: what rows need that are sent as transactions; None where the options read a batch.
    Raises:
        FileRefused: at once or while iterating: the file as a whole cannot be used.
        ReadAgain: at once or while iterating: read the object again with the options that it has.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        *,
        amount_max: Decimal,
        gzipped: bool,
        options: ReadOptions = _NO_OPTIONS,
        block_bytes: int = BLOCK_BYTES,
        transactions: TransactionRules | None = None,
    ) -> None:
        self._options = options
        self._transactions = transactions
        self._decoded = decode_blocks(
            blocks, gzipped=gzipped, encoding=options.encoding, block_bytes=block_bytes
        )
        self._parser = CsvParser(self._decoded.texts)
        self._names = ColumnNames(
            options.columns, options.ignore_columns, are_transactions=options.are_transactions
        )
        self._layout, line_end = self._read_header()
        self.format = FileFormat(
            encoding=self._decoded.encoding,
            dialect=_dialect_of(self._decoded, self._layout.delimiter, line_end),
            ignored_columns=self._layout.ignored,
            header=self._layout.names,
            units=_units(self._layout) if options.are_transactions else "",
        )
        self.parts = self._parts(amount_max)

    def __iter__(self) -> Iterator[Row | Rejection]:
        return chain.from_iterable(part.in_order() for part in self.parts)

    def _read_header(self) -> tuple[Layout, str]:
        """The layout, and how the header's line ends."""
        delimiters: tuple[str, ...] = DELIMITERS
        text, line = self._parser.beginning()
        requested = header.separator_line(text)
        if requested:
            delimiters = (requested[0],)
            self._parser.skip(requested[1])
            text, line = self._parser.beginning()
        try:
            layout, end = header.read_header(text, line=line, delimiters=delimiters, names=self._names)
        except FileRefused as refused:
            if refused.code == FileProblem.DUPLICATE_COLUMN and self._options.send_as == AUTO:
                self._read_transactions_header(text, line, delimiters)
            if refused.code != FileProblem.NOT_TEXT:
                self._check_header_bytes(LINE_END.split(text, maxsplit=1)[0], line)
            raise
        self._check_header_bytes(text[:end], line)
        self._parser.skip(end)
        found = LINE_END.search(text, max(0, end - 2), end)
        return layout, found[0] if found else "\n"

    def _read_transactions_header(self, text: str, line: int, delimiters: tuple[str, ...]) -> None:
        """Read the file again as transactions where its header is one of those, with points and money."""
        options = self._options
        names = ColumnNames(options.columns, options.ignore_columns, are_transactions=True)
        layout, _ = header.read_header(text, line=line, delimiters=delimiters, names=names)
        because = [layout.names[layout.places[role]] for role in TRANSACTIONS_ONLY if role in layout.places]
        if because:
            raise ReadAgain(options._replace(send_as=SendAs.TRANSACTIONS, because=tuple(because)))

    def _check_header_bytes(self, text: str, line: int) -> None:
        """Refuse a header with bytes that are not UTF-8, once the whole file has shown what it is."""
        if not has_bad_bytes(text):
            return
        for _ in self._decoded.texts:
            pass
        cells = re.split(f"[{re.escape(''.join(DELIMITERS))}]", text)
        bad = next(cell for cell in cells if has_bad_bytes(cell))
        readable = self._decoded.evidence.readable(bad.strip(), line, "")
        self._check_encoding()
        raise FileRefused(
            FileProblem.NOT_TEXT,
            f'line {line}: the heading "{shown(readable)}" has bytes that are not UTF-8 in a file that is; '
            'save it again as "CSV UTF-8" and drop that file',
        )

    def _parts(self, amount_max: Decimal) -> Iterator[ValidatedRows]:
        layout, options = self._layout, self._options
        validator = self._validator(amount_max)
        ignored = IgnoredColumns(layout.unexplained, are_transactions=options.are_transactions)
        is_empty, has_decimal_commas = True, False
        for block in self._parser.blocks(layout.delimiter):
            part = validator.validate(self._readable(block) if isinstance(block, RecordBlock) else block)
            if part.lines or part.rejections:
                is_empty = False
                self._check_repeated_header(part.rejections)
                has_decimal_commas = has_decimal_commas or any(map(_shows_decimal_comma, part.rejections))
                ignored.add(part)
                yield part
        self._check_encoding()
        if has_decimal_commas and layout.delimiter != ";" and not options.has_decimal_commas:
            raise ReadAgain(options._replace(has_decimal_commas=True))
        ignored.check_signs()
        self._check_way(ignored.of_transactions())
        ignored.check_meanings()
        if is_empty:
            raise FileRefused(
                FileProblem.EMPTY,
                "the file has a header but no rows below it; export it and drop it again",
            )

    def _validator(self, amount_max: Decimal) -> RowValidator:
        has_decimal_commas = self._options.has_decimal_commas
        if self._transactions is None:
            return RowValidator(self._layout, amount_max=amount_max, has_decimal_commas=has_decimal_commas)
        return TransactionValidator(
            self._layout, self._transactions, amount_max=amount_max, has_decimal_commas=has_decimal_commas
        )

    def _check_way(self, only_transactions: Sequence[str]) -> None:
        """Read the file again as transactions where it has values that only those can carry."""
        if not only_transactions or self._options.are_transactions:
            return
        if self._options.send_as == SendAs.BATCH:
            raise transactions_only(only_transactions)
        because = tuple(only_transactions)
        raise ReadAgain(self._options._replace(send_as=SendAs.TRANSACTIONS, because=because))

    def _readable(self, block: RecordBlock) -> RecordBlock:
        """The block without bytes that are not UTF-8."""
        if block.plain or not any(map(has_bad_bytes, block.texts)):
            return block
        evidence, names = self._decoded.evidence, self._layout.names
        records = [
            [
                evidence.readable(cell, line, names[index] if index < len(names) else "")
                for index, cell in enumerate(cells)
            ]
            for line, cells in zip(block.lines, block.records, strict=True)
        ]
        return block._replace(records=records)

    def _check_encoding(self) -> None:
        if not self._decoded.evidence.is_open:
            return
        if self._options.default_encoding:
            raise ReadAgain(self._options._replace(encoding=self._options.default_encoding))
        raise self._decoded.evidence.refusal()

    def _check_repeated_header(self, rejections: Sequence[Rejection]) -> None:
        for rejection in rejections:
            if rejection.problem in _HEADER_PROBLEMS and self._names.is_header(rejection.cells):
                raise FileRefused(
                    FileProblem.REPEATED_HEADER,
                    f"line {rejection.line}: the header is repeated here, so the file holds two exports, "
                    "perhaps the same one twice; keep one, or drop each as a file of its own",
                )


def _dialect_of(decoded: DecodedText, delimiter: str, line_end: str) -> CsvDialect:
    """How the result files are to be written, so that a spreadsheet opens them as it opened the file.

    Excel writes semicolons, and Windows' encodings, where it takes a file without a mark for one in the
    encoding of Windows; what is written is UTF-8, so those get a mark.
    """
    return CsvDialect(
        delimiter=delimiter,
        line_end=line_end,
        encoding="utf-16" if decoded.encoding == "utf-16" else "utf-8",
        has_mark=decoded.has_mark or delimiter == ";" or decoded.encoding != "utf-8",
    )


def _units(layout: Layout) -> str:
    said = {Role.POINTS: "whole points", Role.AMOUNT: "money in the account's currency"}
    places = {role: layout.places[role] for role in said if role in layout.places}
    return ", and ".join(f"{shown(layout.names[at])} holds {said[role]}" for role, at in places.items())


def _shows_decimal_comma(rejection: Rejection) -> bool:
    return rejection.problem in _SEPARATOR_PROBLEMS and shows_decimal_comma(rejection.amount)
