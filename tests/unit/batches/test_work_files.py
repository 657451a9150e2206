"""What is kept of the input rows gives every row back as it was decided."""

import csv
import io
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from adjustments.batches.rows import Rejection, Row
from adjustments.batches.work_files import PlannedRow, read_first_row, read_header, read_rows, write_rows_part
from adjustments.core.errors import FileRefused
from adjustments.submission.csv.reader import CsvReader

CELLS = st.text(st.sampled_from("ac1é,;\"'\\ \t\n\r=\x1d\x1e\x1f\u2028😀"), max_size=4)
ROWS = st.lists(
    st.tuples(st.sampled_from(["c1", "ü", ""]) | CELLS, st.sampled_from(["5", "-1.50", "x"]), CELLS, CELLS),
    min_size=1,
    max_size=8,
)


@given(ROWS, st.sampled_from(["customerId,amount,reason,shop", "shop,amount,customerId,error"]))
def test_read_rows_returns_every_row_in_the_order_of_the_file(rows: list[tuple[str, ...]], header: str):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    file = f"{header}\n{text.getvalue()}".encode()
    try:
        parts = list(CsvReader([file], amount_max=Decimal(0), gzipped=False, block_bytes=32).parts)
    except FileRefused:
        return
    names = header.split(",")
    for first_row, part in enumerate(parts):
        kept = write_rows_part(names, part, first_row)
        assert (read_header(kept), read_first_row(kept)) == (names, first_row)
        assert read_rows(kept) == [_kept(decision) for decision in part.in_order()]


def _kept(decision: Row | Rejection) -> PlannedRow:
    told = (decision.message, decision.problem) if isinstance(decision, Rejection) else ("", "")
    return PlannedRow(*decision[:5], *told)
