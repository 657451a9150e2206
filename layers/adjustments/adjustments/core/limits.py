"""Each limit of Gameball, of AWS and of this package, named once, with its source."""

from typing import Final

# --- Gameball (sources: docs/gameball-api.md) ---------------------------------------------------------------
CHUNK_ROWS_MAX: Final = 1_000
"""Objects in one request (Gameball API, "Balance Adjustment Batch Job")."""

WINDOW_S: Final = 30.0
"""Seconds of the longer window of the rate limit (Gameball API, "Rate Limits")."""

# --- AWS ----------------------------------------------------------------------------------------------------
BOTOCORE_MIN: Final = (1, 35, 69)
"""The first botocore, of November 2024, whose PutObject and CompleteMultipartUpload know IfMatch (its own
model of S3). Lambda's runtimes bring a newer one; what is older refuses the call, and nothing is written.
"""

# --- Sending (chosen) ---------------------------------------------------------------------------------------
CANARIES_MAX: Final = 2
"""Chunks of CanaryRows rows at the beginning of a batch. The second is sent alone as well where too few
outcomes of the first are known; no more rows are sent while no outcomes come back.
"""

TRANSACTION_CHUNK_ROWS_MAX: Final = 900
"""Rows of a chunk that is sent as transactions, one by one: 77 seconds at the rate limit. A sender begins
rows of a chunk for 90 seconds (``BEGIN_TIME``), which leaves room for a call of the API each second. A chunk
costs three writes; with those for slots, a hundred rows take less than three. After a crash, so many rows are
asked again.
"""

TRANSACTION_ROWS_MAX: Final = 1_000_000
"""Rows of a file that is sent as transactions: a day at the rate limit."""

# --- Clocks (chosen) ----------------------------------------------------------------------------------------
CLOCK_SKEW_S: Final = 5.0
"""Seconds by which two clocks, of functions or of Gameball, may differ: each two seconds off, and one more.
"""

# --- Records (chosen) ---------------------------------------------------------------------------------------
ERROR_CHARS_MAX: Final = 1_000
"""Characters of a message of Gameball in a record. DynamoDB refuses items over 400 KB (Amazon DynamoDB,
"Quotas"), and a refused write would leave a known outcome in doubt; besides, up to ten thousand chunks are
read at once.
"""

IDENTITY_CHARS_MAX: Final = 2_048
"""Characters of an IAM identity (AWS Security Token Service API Reference, "GetCallerIdentity": Arn)."""

HISTORY_DAYS: Final = 400
"""Days for which it is known what was done for a customer: as long as work files are kept (template.yaml), a
year and a month; chosen.
"""

# --- Input files (chosen) -----------------------------------------------------------------------------------
SIGNIFICANT_DIGITS_MAX: Final = 15
"""Digits of an amount that a double keeps (IEEE 754), which Gameball's JSON parser may use."""

DECIMALS_MAX: Final = 6
"""Digits after the decimal point of an amount."""

CUSTOMER_ID_CHARS_MAX: Final = 200
"""Gameball documents no limit; this one is chosen (docs/decisions.md)."""

REASON_CHARS_MAX: Final = 500
"""Gameball documents no limit; this one is chosen (docs/decisions.md)."""

ROWS_MAX: Final = 10_000_000
"""Rows of one file: what one invocation can plan within 15 minutes (AWS Lambda, "Quotas": timeout)."""

ROW_CHARS_MAX: Final = 65_536
"""Characters of one record, line breaks within quotes included; a longer one is not a row of adjustments."""

COLUMNS_MAX: Final = 200
"""Columns of one file, chosen: no export of adjustments has more, and work for each row grows with them."""

EXPANDED_BYTES_MAX: Final = 2 * 1024**3
"""Bytes of a file after decompression: the limit for a decompression bomb."""

CUSTOMER_ROWS_MAX: Final = 50
"""Rows of one customer in one file; each needs a wave of its own, and more are surely a mistake."""

BAD_ROWS_COUNTED_FROM: Final = 25
"""Rows from which the share of bad rows is checked; in a smaller file each row is judged by itself."""

BAD_ROWS_PERCENT_MAX: Final = 20
"""Percentage of bad rows above which a file is refused: it was probably exported wrongly."""

OVERLAP_ROWS_HELD_FROM: Final = 50
"""Rows applied before from which on a batch is held, however small their share; chosen."""

# --- API and manual transactions ----------------------------------------------------------------------------
MANUAL_BODY_BYTES_MAX: Final = 65_536
"""Bytes of one body, chosen: some thirty times what all fields take at their longest."""

MANUAL_TEXT_CHARS_MAX: Final = 200
"""Characters of an id or a name; Gameball documents no limit, this one is chosen (docs/decisions.md)."""

EMAIL_CHARS_MAX: Final = 320
"""Characters of an e-mail address (RFC 3696, erratum 1690)."""

MOBILE_CHARS_MAX: Final = 50
"""Characters of a mobile number, spaces and brackets included; chosen."""

EXPIRY_DAYS_MAX: Final = 36_500
"""Days until points expire, chosen: a hundred years; more are surely a mistake."""

TIME_AHEAD_S_MAX: Final = 5
"""Seconds by which the clock of a caller, or of a schedule, may be ahead, chosen; of transactions Gameball
decides (code 9007)."""

BATCH_BODY_BYTES_MAX: Final = 6 * 1024**2
"""Bytes of a body of POST /batch/balance-adjustment (AWS Lambda, "Quotas": invocation payload)."""

ADMINISTRATION_BODY_BYTES_MAX: Final = 1024**2
"""Bytes of a body that approves, stops or resolves, chosen: the numbers of more than 100,000 lines."""

IDEMPOTENCY_KEY_CHARS_MAX: Final = 200
"""Characters of an Idempotency-Key; chosen."""

PAGE_ROWS_MAX: Final = 1_000
"""Rows in a page of GET /batches/{batchId}/rows, chosen: some 0.5 MB of the 6 MB of an answer."""

PAGE_BYTES_MAX: Final = 4 << 20
"""Bytes of results.csv that one page reads, chosen: some 50,000 rows, under a second; its answer stays below
6 MB (AWS Lambda, "Quotas": invocation payload).
"""

PAGE_OBJECTS_MAX: Final = 32
"""Work files that one page of GET /batches/{batchId}/rows reads while the batch is under way, chosen: some
six parts of the input, of 192 KB each, and the outcomes of their chunks. A row may take three more.
"""

UPLOAD_BYTES_MAX: Final = EXPANDED_BYTES_MAX
"""Bytes of an upload by a link, chosen: as for a file that is decompressed."""

UPLOAD_S: Final = 900
"""Seconds in which an upload by a link has to begin."""

# --- Results (chosen) ---------------------------------------------------------------------------------------
LINK_S: Final = 900
"""Seconds for which a link to a result file works: long enough to click, too short to be passed on."""
