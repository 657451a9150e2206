"""An input row: one that can be sent, or one that never is."""

from typing import NamedTuple


class Row(NamedTuple):
    """One input row that can be sent: an adjustment.

    Attributes:
        line: its line in the file.
        amount: a JSON number in canonical form with exactly the digits of the file.
        cells: the row's own fields as they stood in the file, for fix-me.csv.
        request: of a row that is sent as a transaction, the whole request.
        own_id: of a row that is sent as a transaction, the transactionId that the file has for it.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    request: str = ""
    own_id: str = ""


class Rejection(NamedTuple):
    """One input row that is never sent.

    ``customer_id``, ``amount`` and ``reason`` are what could be read of them, unchanged and perhaps empty.

    Attributes:
        line: its line in the file.
        cells: the row's own fields as they stood in the file, for fix-me.csv.
        problem: the kind of what is wrong, for programs.
        column: the header's name of the offending column.
        text: the offending text, shortened.
        message: what is wrong and what to do, for people.
    """

    line: int
    customer_id: str
    amount: str
    reason: str
    cells: list[str]
    problem: str
    column: str
    text: str
    message: str
