"""What can be wrong with a row, and what can be wrong with a file, as stable codes."""

from enum import StrEnum
from typing import Final


class RowProblem(StrEnum):
    """Why a row is never sent; stable, for programs."""

    TOO_FEW_FIELDS = "too_few_fields"
    TOO_MANY_FIELDS = "too_many_fields"
    BAD_QUOTES = "bad_quotes"
    CONTROL_CHARACTER = "control_character"
    UNREADABLE_CHARACTER = "unreadable_character"
    TOTAL_ROW = "total_row"
    CUSTOMER_ID_MISSING = "customer_id_missing"
    CUSTOMER_ID_SCIENTIFIC = "customer_id_scientific"
    CUSTOMER_ID_TOO_LONG = "customer_id_too_long"
    CUSTOMER_ID_MACHINE_WORD = "customer_id_machine_word"
    CUSTOMER_ID_IN_QUOTES = "customer_id_in_quotes"
    AMOUNT_MISSING = "amount_missing"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_NOT_A_NUMBER = "amount_not_a_number"
    AMOUNT_NOT_FINITE = "amount_not_finite"
    AMOUNT_SCIENTIFIC = "amount_scientific"
    AMOUNT_THOUSANDS_SEPARATOR = "amount_thousands_separator"
    AMOUNT_DECIMAL_COMMA = "amount_decimal_comma"
    AMOUNT_CURRENCY_SIGN = "amount_currency_sign"
    AMOUNT_TYPOGRAPHIC_MINUS = "amount_typographic_minus"
    AMOUNT_TOO_MANY_DIGITS = "amount_too_many_digits"
    AMOUNT_TOO_MANY_DECIMALS = "amount_too_many_decimals"
    AMOUNT_BEYOND_LIMIT = "amount_beyond_limit"
    REASON_TOO_LONG = "reason_too_long"
    REASON_MACHINE_WORD = "reason_machine_word"
    REASON_IN_QUOTES = "reason_in_quotes"
    POINTS_NOT_WHOLE = "points_not_whole"
    EXPIRY_NOT_DAYS = "expiry_not_days"
    TRANSACTION_ID_SCIENTIFIC = "transaction_id_scientific"
    REASON_MISSING = "reason_missing"
    USERNAME_MISSING = "username_missing"
    INVALID_TRANSACTION = "invalid_transaction"
    """One of the rules of Gameball's documentation, in its words, or of the API for manual transactions."""
    CUSTOMER_TOO_OFTEN = "customer_too_often"
    """Never found by the reader: only the planner knows the whole file."""


MISSING_CELL: Final = "(missing)"
"""What fix-me.csv has in each field that a row lacks: without it, the row would be complete, and be sent."""

BADLY_QUOTED_ROW: Final = "(bad quotes) "
"""How the first cell of a badly quoted row begins in fix-me.csv; the row follows as it stood in the file.
In its columns, well quoted, it would be another row, and a good one perhaps.
"""


class FileProblem(StrEnum):
    """Why a whole file is refused: the codes of ``FileRefused`` that intake raises."""

    EMPTY = "empty"
    NOT_TEXT = "not_text"
    UNKNOWN_ENCODING = "unknown_encoding"
    BAD_OPTION = "bad_option"
    BROKEN_GZIP = "broken_gzip"
    GZIP_TOO_LARGE = "gzip_too_large"
    NO_HEADER = "no_header"
    MISSING_COLUMN = "missing_column"
    DUPLICATE_COLUMN = "duplicate_column"
    TOO_MANY_COLUMNS = "too_many_columns"
    REPEATED_HEADER = "repeated_header"
    SIGN_COLUMN = "sign_column"
    MEANINGFUL_COLUMN = "meaningful_column"
    UNCLEAR_COLUMN = "unclear_column"
    TRANSACTIONS_ONLY = "transactions_only"
    REPEATED_TRANSACTION_ID = "repeated_transaction_id"
    UNCLOSED_QUOTE = "unclosed_quote"
    ROW_TOO_LONG = "row_too_long"
    TOO_MANY_LINES = "too_many_lines"
