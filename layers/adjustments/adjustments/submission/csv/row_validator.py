"""Validates CSV records: each becomes a row that can be sent, or a rejection that says why not.

There is a fast path and a careful one, with the same result. Most rows are valid, and a few C calls prove
it for a whole block: it has no control character and no escaped formula, each id is printable ASCII, each
amount is canonical as it stands. Every other row goes through ``_validate_one``, which checks each cell and
words the message. The fast path accepts only what the careful one would accept with the same result; a
property test holds them together.

The first problem of a row is reported, in this order: number of fields, control characters, id, amount,
reason. A record whose cells are all empty is a blank line: spreadsheets leave ``,,,`` behind, and there is
nothing in it to lose.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import starmap
from typing import Final

from adjustments.batches.rows import Rejection, Row
from adjustments.batches.work_files import RECORD_END, ValidatedRows
from adjustments.core import limits
from adjustments.core.id_checks import SCIENTIFIC
from adjustments.core.printable import shown
from adjustments.submission.csv.amounts import InvalidAmount, canonicalise, clean_amount_pattern
from adjustments.submission.csv.cell_checks import BadRow, check_controls, check_customer_id, check_reason
from adjustments.submission.csv.csv_injection import unescape_formula
from adjustments.submission.csv.grammar import is_quoted
from adjustments.submission.csv.header import Layout
from adjustments.submission.csv.parser import ColumnBlock, RecordBlock
from adjustments.submission.csv.placeholders import (
    LABEL_INITIALS,
    MACHINE_WORDS_PATTERN,
    SUSPECT_BEGINNINGS,
    text_meant,
)
from adjustments.submission.csv.problems import BADLY_QUOTED_ROW, MISSING_CELL, RowProblem

_END: Final = rf"(?:{RECORD_END}|\Z)"
# Machine words and the labels of totals have no digit before a bracket and no @; nearly every id has one.
_MAY_BE_NO_ID: Final = rf"[{LABEL_INITIALS}][^0-9@({RECORD_END}]*+(?:[({RECORD_END}]|\Z)"
_BEGINS_ID: Final = r"[!$-&)-;>-Z\]-_a-~]"
"""What is printable and not suspect: quotes, ``#``, ``=``, a backslash and opening brackets are."""

_CLEAN_ID: Final = (
    rf"(?!{_MAY_BE_NO_ID}|{SCIENTIFIC}{_END})"
    rf"{_BEGINS_ID}[ -~]{{0,{limits.CUSTOMER_ID_CHARS_MAX - 1}}}+(?<! )"
)
_CLEAN_REASON: Final = (
    rf"(?![{SUSPECT_BEGINNINGS}]|(?:{MACHINE_WORDS_PATTERN}){_END})"
    rf"[^{RECORD_END}]{{0,{limits.REASON_CHARS_MAX}}}"
)


class _ColumnPattern:
    """Matches the cells of a column against a pattern: one at a time, or a whole block's in one call.

    Only for cells without control characters: a block's are joined by one.
    """

    def __init__(self, pattern: str) -> None:
        self.matches = re.compile(pattern).fullmatch
        self._find_other = re.compile(rf"{RECORD_END}(?!(?:{pattern}){_END})").search

    def match_all(self, cells: Iterable[str]) -> bool:
        """Whether every cell matches."""
        return self._find_other(RECORD_END.join(["", *cells])) is None


class RowValidator:
    """Validates the records of one file.

    Args:
        layout: where the columns stand.
        amount_max: the largest absolute amount, inclusive (MaxAbsoluteAmount); 0 switches the check off.
        has_decimal_commas: whether a row has a decimal comma, so that ``1.250`` may be a thousand.
    """

    def __init__(self, layout: Layout, *, amount_max: Decimal, has_decimal_commas: bool = False) -> None:
        self._layout = layout
        self._amount_max = amount_max
        self._semicolon_file = layout.delimiter == ";"
        self._fields_min = _fields_before_errors(layout)
        self._has_decimal_commas = has_decimal_commas
        decimals_max = 2 if self._semicolon_file or has_decimal_commas else limits.DECIMALS_MAX
        self._clean_amount = _ColumnPattern(
            clean_amount_pattern(amount_max=amount_max, decimals_max=decimals_max)
        )
        self._clean_id = _ColumnPattern(_CLEAN_ID)
        self._clean_reason = _ColumnPattern(_CLEAN_REASON)

    def validate(self, block: RecordBlock | ColumnBlock) -> ValidatedRows:
        """Validate each record that is not blank."""
        fields = self._layout.fields
        if isinstance(block, ColumnBlock) and len(block.columns) == fields:
            return self._validate_whole(block.lines, block.columns, lambda: block.texts)
        if self._layout.nameless:
            self._drop_nameless(block.records)
        if self._fields_min < fields:
            self._add_missing_errors(block.records)
        if not block.plain:
            return ValidatedRows.of(self._validate_carefully(block))
        if set(map(len, block.records)) == {fields}:
            return self._validate_records(block.lines, block.records, _texts(block))
        ragged = [
            self._ragged(line, len(cells), self._without_errors(cells))
            for line, cells, _ in _numbered(block)
            if len(cells) != fields
        ]
        whole = [row for row in _numbered(block) if len(row[1]) == fields]
        lines, records, texts = zip(*whole, strict=True) if whole else ((), (), ())
        validated = self._validate_records(lines, records, texts)
        return validated._replace(rejections=[*validated.rejections, *filter(None, ragged)])

    def _validate_records(
        self, lines: Sequence[int], records: Sequence[list[str]], texts: Sequence[str]
    ) -> ValidatedRows:
        """Validate records with the right number of fields."""
        if not records:
            return ValidatedRows.of(())
        return self._validate_whole(lines, list(zip(*records, strict=True)), lambda: texts)

    def _validate_whole(
        self, lines: Sequence[int], columns: Sequence[Sequence[str]], texts_of: Callable[[], Sequence[str]]
    ) -> ValidatedRows:
        """Validate records by column, or one by one where not all of them are surely valid."""
        errors = self._layout.error_columns
        kept = [column for index, column in enumerate(columns) if index not in errors]
        validated = self._validate_columns(lines, kept)
        return validated or self._validate_rows(lines, kept, texts_of())

    def _validate_columns(
        self, lines: Sequence[int], columns: Sequence[Sequence[str]]
    ) -> ValidatedRows | None:
        """Validate records by column, each step for all in one call; None where not all are surely valid."""
        ids, amounts, reasons = self._columns_of_batch(columns)
        are_clean = (
            self._clean_id.match_all(ids)
            and self._clean_amount.match_all(set(amounts))  # few amounts and reasons stand in most rows
            and self._clean_reason.match_all(set(reasons))
        )
        return ValidatedRows(lines, ids, amounts, reasons, columns, []) if are_clean else None

    def _validate_rows(
        self, lines: Sequence[int], columns: Sequence[Sequence[str]], texts: Sequence[str]
    ) -> ValidatedRows:
        """Validate records one by one; with care those that are not surely valid."""
        ids, amounts, reasons = self._columns_of_batch(columns)
        clean_id, clean_amount = self._clean_id.matches, self._clean_amount.matches
        clean_reasons = set(filter(self._clean_reason.matches, set(reasons)))
        rows = zip(lines, ids, amounts, reasons, map(list, zip(*columns, strict=True)), strict=True)
        return ValidatedRows.of(
            row
            if clean_id(row.customer_id) and clean_amount(row.amount) and row.reason in clean_reasons
            else self._validate_one(row.line, row.cells, text)
            for row, text in zip(starmap(Row, rows), texts, strict=True)
        )

    def _columns_of_batch(self, columns: Sequence[Sequence[str]]) -> tuple[Sequence[str], ...]:
        """The columns of customers, amounts and reasons."""
        layout = self._layout
        ids, amounts = columns[layout.customer_id], columns[layout.amount]
        reasons = [""] * len(ids) if layout.reason is None else list(map(str.strip, columns[layout.reason]))
        return ids, amounts, reasons

    def _validate_carefully(self, block: RecordBlock | ColumnBlock) -> Iterator[Row | Rejection | None]:
        delimiter = self._layout.delimiter
        for line, raw, text in _numbered(block):
            cells = [unescape_formula(cell, delimiter) for cell in raw]
            kept = self._without_errors(cells)
            if line in block.bad_quotes:
                yield self._badly_quoted(line, kept)
            elif cells and cells[0].startswith(BADLY_QUOTED_ROW):
                yield self._badly_quoted(line, cells[0].removeprefix(BADLY_QUOTED_ROW).split(delimiter))
            elif MISSING_CELL in map(str.strip, kept):
                kept = _without_missing(kept)
                yield self._ragged(line, min(len(kept), self._layout.fields - 1), kept)
            elif len(cells) != self._layout.fields:
                yield self._ragged(line, len(cells), kept)
            else:
                yield self._validate_one(line, kept, text)

    def _validate_one(self, line: int, cells: list[str], text: str) -> Row | Rejection | None:
        """The careful way, for a record with the right number of fields and without its ``error``.

        ``text`` is the record as it stands in the file.
        """
        if is_blank(cells):
            return None
        layout = self._layout
        try:
            check_controls(cells, layout.names)
            customer_id = text_meant(cells[layout.customer_id].strip())
            check_customer_id(customer_id, layout.names[layout.customer_id])
            amount = self._amount(cells[layout.amount].strip(), layout.names[layout.amount])
            reason = "" if layout.reason is None else self._reason(cells[layout.reason].strip(), text)
        except BadRow as bad:
            return self._rejection(line, cells, bad)
        return Row(line, customer_id, amount, reason, cells)

    def _ragged(self, line: int, found: int, kept: list[str]) -> Rejection | None:
        wanted = self._layout.fields
        if is_blank(kept):
            return None
        if found < wanted:
            bad = BadRow(
                RowProblem.TOO_FEW_FIELDS,
                f"the row has {_count(found)} where the header has {wanted}; "
                "add what is missing (a field may be empty)",
            )
        else:
            bad = BadRow(
                RowProblem.TOO_MANY_FIELDS,
                f"the row has {_count(found)} where the header has {wanted}; put quotes round a text "
                f"that has {_named(self._layout.delimiter)} in it, "
                "and write numbers without thousands separators",
            )
        return self._rejection(line, kept, bad)

    def _badly_quoted(self, line: int, cells: list[str]) -> Rejection:
        bad = BadRow(
            RowProblem.BAD_QUOTES,
            'text follows a closing quote ("); put quotes round the whole field, '
            "and write a quote within it twice",
        )
        return self._rejection(line, cells, bad)

    def _drop_nameless(self, records: Iterable[list[str]]) -> None:
        """Cut off what is blank below columns without a name; a row with something there stays too long."""
        fields = self._layout.fields
        for cells in records:
            if len(cells) <= fields + self._layout.nameless and not any(map(str.strip, cells[fields:])):
                del cells[fields:]

    def _add_missing_errors(self, records: Iterable[list[str]]) -> None:
        """Complete rows that lack nothing but a last ``error``: people add rows to fix-me.csv without it."""
        fields = self._layout.fields
        for cells in records:
            if self._fields_min <= len(cells) < fields:
                cells.extend([""] * (fields - len(cells)))

    def _without_errors(self, cells: list[str]) -> list[str]:
        """Without what stands under ``error``; in a row with too many fields a last ``error`` is the last."""
        fields, columns = self._layout.fields, self._layout.error_columns
        if len(cells) > fields and columns and columns[-1] == fields - 1:
            columns = (*columns[:-1], len(cells) - 1)
        return [cell for index, cell in enumerate(cells) if index not in columns] if columns else cells

    def _amount(self, text: str, column: str) -> str:
        try:
            return canonicalise(
                text,
                amount_max=self._amount_max,
                semicolon_file=self._semicolon_file,
                has_decimal_commas=self._has_decimal_commas,
            )
        except InvalidAmount as bad:
            raise BadRow(bad.problem, bad.complaint, column, text) from None

    def _reason(self, reason: str, text: str) -> str:
        """The reason, checked; ``text`` is its record as it stands in the file."""
        place = self._layout.reason
        if place is not None:
            check_reason(reason, self._layout.names[place], lambda: self._is_quoted(place, text))
        return reason

    def _is_quoted(self, index: int, text: str) -> bool:
        """Whether a field stands in quotes in the file, where the ``error`` column counts."""
        before = sum(column <= index for column in self._layout.error_columns)
        return is_quoted(text, index + before, self._layout.delimiter)

    def _rejection(self, line: int, cells: list[str], bad: BadRow) -> Rejection:
        layout, text = self._layout, shown(bad.text)
        where = f'line {line}, column "{shown(bad.column)}"' if bad.column else f"line {line}"
        what = f'"{text}" {bad.complaint}' if text else bad.complaint
        return Rejection(
            line=line,
            customer_id=_cell(cells, layout.customer_id),
            amount=_cell(cells, layout.amount),
            reason=_cell(cells, layout.reason),
            cells=cells,
            problem=bad.problem,
            column=bad.column,
            text=text,
            message=f"{where}: {what}",
        )


def _numbered(block: RecordBlock | ColumnBlock) -> Iterable[tuple[int, list[str], str]]:
    return zip(block.lines, block.records, _texts(block), strict=True)


def _texts(block: RecordBlock | ColumnBlock) -> Sequence[str]:
    return block.texts or [""] * len(block.records)


def _cell(cells: list[str], index: int | None) -> str:
    return cells[index].strip() if index is not None and index < len(cells) else ""


def is_blank(cells: list[str]) -> bool:
    """Whether a record has nothing in any of its cells."""
    return not any(cell.strip() for cell in cells)


def _without_missing(cells: list[str]) -> list[str]:
    """A row of fix-me.csv as it stood in its file, where fields were missing at its end."""
    while cells and cells[-1].strip() == MISSING_CELL:
        cells = cells[:-1]
    return cells


def _fields_before_errors(layout: Layout) -> int:
    """How many fields a row needs: all but the ``error`` columns at the end."""
    fields = layout.fields
    while fields - 1 in layout.error_columns:
        fields -= 1
    return fields


def _count(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"


def _named(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a pipe (|)"}[delimiter]
