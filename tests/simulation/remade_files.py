"""Files as people make them anew: corrected, grown, cut, sorted in another way, copied; two at once."""

import csv
import io
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tests.simulation.scenario import File, InputRow, is_bad_alone, judge_rows, read_columns

REMADE_MAX: Final = 3
"""Files that are made of one, at most."""

_FIRST_NEW_AMOUNT: Final = 5_000
"""Amounts of rows that the first file does not have: no row of it has one of them."""


def remake(rng: random.Random, first: File) -> tuple[File, ...]:
    """Make files of one, each in a way of its own; some are dropped at the same moment."""
    if first.key.startswith("recurring/"):
        return ()
    makers = rng.sample((_corrected, _grown, _cut, _sorted_anew, _copied), rng.randint(1, REMADE_MAX))
    at_s = rng.choice((0.0, 0.0, 20.0, 2_000.0, 20_000.0))
    files = []
    for number, make in enumerate(makers):
        made = make(rng, first)
        key = rng.choice((first.key, f"inbox/remade-{number}.csv"))
        files.append(replace(made, key=key, dropped_at_s=at_s))
        at_s += rng.choice((0.0, 0.0, 1.0, 3_000.0))
    return tuple(files)


def _corrected(rng: random.Random, first: File) -> File:
    """Bad rows are corrected, and the whole file is dropped."""
    rows = [
        replace(
            _new(first, row.line, f"cust-9{row.line:02d}x", _FIRST_NEW_AMOUNT + row.line), reason=row.reason
        )
        if row.is_bad
        else row
        for row in first.rows
    ]
    return _of(first, rows)


def _grown(rng: random.Random, first: File) -> File:
    """The first was dropped while it was still being written."""
    start = _FIRST_NEW_AMOUNT + 1_000
    more = [_new(first, 0, f"cust-8{number:02d}x", start + number) for number in range(rng.randint(1, 4))]
    return _of(first, [*first.rows, *more])


def _cut(rng: random.Random, first: File) -> File:
    """Only some of the rows are in it."""
    return _of(first, first.rows[: rng.randint(1, len(first.rows))] if first.rows else ())


def _sorted_anew(rng: random.Random, first: File) -> File:
    """The same rows in another order."""
    return _of(first, rng.sample(first.rows, len(first.rows)))


def _copied(rng: random.Random, first: File) -> File:
    """A copy of an object that allows its duplicate, with that permission in its metadata."""
    metadata = {**first.metadata, "allow-duplicate": "true"}
    return replace(first, metadata=metadata, is_copy=True)


def _new(first: File, line: int, customer: str, amount: int) -> InputRow:
    """A row that the first file does not have."""
    return InputRow(line, customer, str(amount), "", is_bad=False, has_more=first.is_transactions)


def _of(first: File, rows: Sequence[InputRow]) -> File:
    """A file of rows; what was bad for its customer's number of rows may be good now, or the other way."""
    numbered = [replace(row, line=line, is_bad=is_bad_alone(row)) for line, row in enumerate(rows, start=2)]
    if not first.is_transactions:
        return File("", judge_rows(numbered))
    return File("", judge_rows(numbered), first.header, {"send-as": "transactions"})


def read_new_rows(text: str, held: File) -> File:
    """The file that a person drops in place of one that waits: what is in it, row by row."""
    header, *records = csv.reader(io.StringIO(text))
    rows = [
        read_columns(line, header, record) if held.unit else read_row(line, record)
        for line, record in enumerate(records, start=2)
    ]
    metadata = {"send-as": "transactions"} if held.is_transactions else {}
    key = f"inbox/new-{len(rows)}-rows.csv"
    return File(key, tuple(rows), ",".join(header), metadata, unit=held.unit)


def read_row(line: int, record: Sequence[str]) -> InputRow:
    """A good row as it stands in a file that was written for a person."""
    customer, amount, reason, *more = record
    expiry, own_id, time = more or ("", "", "")
    return InputRow(line, customer, amount, reason, False, bool(more), expiry, own_id, time)
