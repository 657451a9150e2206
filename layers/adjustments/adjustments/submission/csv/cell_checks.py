"""Checks the cells of one row, and words what is wrong: for the rows that are not valid at first sight."""

from collections.abc import Callable, Sequence

from adjustments.core import limits
from adjustments.core.id_checks import invisible_fault, scientific_fault
from adjustments.submission.csv.decoding import LOST
from adjustments.submission.csv.grammar import CONTROL
from adjustments.submission.csv.placeholders import is_machine_word, is_total_label, is_wrapped
from adjustments.submission.csv.problems import RowProblem


class BadRow(Exception):
    """A row can't be sent; the arguments are for its ``Rejection``."""

    def __init__(self, problem: RowProblem, complaint: str, column: str = "", text: str = "") -> None:
        super().__init__(complaint)
        self.problem = problem
        self.complaint = complaint
        self.column = column
        self.text = text


def check_controls(cells: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a row with a control character, or one that could not be read, in any cell.

    Args:
        cells: the row.
        names: the headings.

    Raises:
        BadRow: there is one.
    """
    for index, cell in enumerate(cells):
        if CONTROL.search(cell):
            fault = invisible_fault(cell, lambda char: CONTROL.match(char) is not None)
            raise BadRow(RowProblem.CONTROL_CHARACTER, fault, names[index], cell)
        if LOST in cell:
            raise BadRow(
                RowProblem.UNREADABLE_CHARACTER,
                f"has characters that can't be read ({LOST}); type them again, or export the file again "
                'as "CSV UTF-8"',
                names[index],
                cell,
            )


def check_customer_id(customer_id: str, column: str) -> None:
    """Refuse what is not a customer's id.

    Args:
        customer_id: the id.
        column: the heading of its column.

    Raises:
        BadRow: it is not one.
    """
    if not customer_id:
        raise BadRow(
            RowProblem.CUSTOMER_ID_MISSING,
            "the customer id is empty; write it, or remove the row",
            column,
            customer_id,
        )
    if len(customer_id) > limits.CUSTOMER_ID_CHARS_MAX:
        raise BadRow(
            RowProblem.CUSTOMER_ID_TOO_LONG,
            f"has {len(customer_id)} characters; write the customer's id, which has at most "
            f"{limits.CUSTOMER_ID_CHARS_MAX}",
            column,
            customer_id,
        )
    if fault := invisible_fault(customer_id):
        raise BadRow(RowProblem.CONTROL_CHARACTER, fault, column, customer_id)
    if fault := scientific_fault(customer_id):
        raise BadRow(RowProblem.CUSTOMER_ID_SCIENTIFIC, fault, column, customer_id)
    _check_placeholder(customer_id, column)


def _check_placeholder(customer_id: str, column: str) -> None:
    if is_machine_word(customer_id):
        raise BadRow(
            RowProblem.CUSTOMER_ID_MACHINE_WORD,
            "is what a program writes where it has no value; write the customer's id, or remove the row",
            column,
            customer_id,
        )
    if is_total_label(customer_id):
        raise BadRow(
            RowProblem.TOTAL_ROW,
            "is the label of a total row, not a customer; remove the row",
            column,
            customer_id,
        )
    if is_wrapped(customer_id):
        raise BadRow(
            RowProblem.CUSTOMER_ID_IN_QUOTES,
            "has quotes of its own around it, which would become part of the id; remove them",
            column,
            customer_id,
        )


def check_reason(reason: str, column: str, is_quoted: Callable[[], bool]) -> None:
    """Refuse what customers should not read as a reason.

    Args:
        reason: the reason, perhaps empty.
        column: the heading of its column.
        is_quoted: whether it is in quotes in the file, so that it is meant as it is.

    Raises:
        BadRow: it is too long, or not a reason.
    """
    if len(reason) > limits.REASON_CHARS_MAX:
        raise BadRow(
            RowProblem.REASON_TOO_LONG,
            f"has {len(reason)} characters; shorten it to {limits.REASON_CHARS_MAX}",
            column,
            reason,
        )
    if is_machine_word(reason) and not is_quoted():
        raise BadRow(
            RowProblem.REASON_MACHINE_WORD,
            "is what a program writes where it has no value; leave the reason empty, "
            'or put quotes (") round it if customers are to read it',
            column,
            reason,
        )
    if is_wrapped(reason):
        raise BadRow(
            RowProblem.REASON_IN_QUOTES,
            "has quotes of its own around it, which customers would read; remove them",
            column,
            reason,
        )
