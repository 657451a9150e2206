"""Each limit of Gameball, of AWS and of our own, named once, with its source."""

from typing import Final

# --- Gameball (docs/gameball-api.md) ------------------------------------------------------------------------
CHUNK_ROWS_MAX: Final = 1_000
"""Objects in one balance-adjustment request (docs/gameball-api.md, "Balance adjustment")."""

WINDOW_S: Final = 30.0
"""Length of Gameball's longer rate window (docs/gameball-api.md, "Rate limits")."""

# --- Sending, ours ------------------------------------------------------------------------------------------
CANARIES_MAX: Final = 2
"""Chunks of CanaryRows rows that a batch begins with: where too little is known of the first, the second goes
alone as well. So no more rows than these are sent to a Gameball of which nothing can be learned.
"""

# --- Clocks, ours -------------------------------------------------------------------------------------------
CLOCK_SKEW_S: Final = 5.0
"""How far two clocks, of our functions or of Gameball, may differ: two seconds off each, and one to spare."""

# --- Records, ours ------------------------------------------------------------------------------------------
ERROR_CHARS_MAX: Final = 1_000
"""Characters of Gameball's words kept in a record. DynamoDB refuses an item over 400 KB (its quotas), and a
refused write would leave in doubt what is known; besides, ten thousand chunks are read at each look.
"""

# --- Intake, ours -------------------------------------------------------------------------------------------
SIGNIFICANT_DIGITS_MAX: Final = 15
"""Digits of an amount that survive an IEEE double, which Gameball's JSON reader may use."""

DECIMALS_MAX: Final = 6
"""Digits after the decimal point of an amount."""

CUSTOMER_ID_CHARS_MAX: Final = 200
"""Our bound; Gameball documents none (docs/decisions.md)."""

REASON_CHARS_MAX: Final = 500
"""Our bound; Gameball documents none (docs/decisions.md)."""

ROWS_MAX: Final = 10_000_000
"""Rows of one file: what one function call can plan within its 15 minutes."""

ROW_CHARS_MAX: Final = 65_536
"""Characters of one record, line breaks within quotes included; more is no row of a balance file."""

EXPANDED_BYTES_MAX: Final = 2 * 1024**3
"""Bytes that a file may have after decompression: bounds a zip bomb."""

CUSTOMER_ROWS_MAX: Final = 50
"""Rows of one customer in one file; each needs a wave of its own, and more is surely a mistake."""

BAD_ROWS_COUNTED_FROM: Final = 25
"""Rows from which the share of bad rows is looked at; a smaller file is judged row by row."""

BAD_ROWS_PERCENT_MAX: Final = 20
"""Share of bad rows past which a whole file is refused: it was probably exported wrongly."""

# --- Manual transactions, ours ------------------------------------------------------------------------------
MANUAL_BODY_BYTES_MAX: Final = 65_536
"""Bytes of one body: some thirty times what all fields at their longest take."""

MANUAL_TEXT_CHARS_MAX: Final = 200
"""Characters of an id or a name; Gameball documents no bound (docs/decisions.md)."""

EMAIL_CHARS_MAX: Final = 320
"""Characters of an e-mail address (RFC 3696, erratum 1690)."""

MOBILE_CHARS_MAX: Final = 50
"""Characters of a mobile number, blanks and brackets included."""

EXPIRY_DAYS_MAX: Final = 36_500
"""Days until points expire: a hundred years; more is surely a mistake."""

TIME_AHEAD_S_MAX: Final = 5
"""How far a caller's clock may be ahead of ours. Gameball has the last word (code 9007)."""

BATCH_BODY_BYTES_MAX: Final = 6 * 1024**2
"""Bytes of a body of POST /batch/balance-adjustment: Lambda's quota of a synchronous payload."""

ADMINISTRATION_BODY_BYTES_MAX: Final = 1024**2
"""Bytes of a body that approves, stops or resolves: the numbers of more than 100,000 lines."""

IDEMPOTENCY_KEY_CHARS_MAX: Final = 200
"""Characters of an Idempotency-Key, ours."""

# --- Results, ours ------------------------------------------------------------------------------------------
LINK_S: Final = 900
"""How long a link to a result file works: long enough to click, too short to be passed round."""
