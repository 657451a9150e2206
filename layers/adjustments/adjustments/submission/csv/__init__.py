"""Reads and writes CSV files: bytes in, one validated row or rejection per record out; no clock.

The modules, in the order in which a file passes through them:

- ``decoding``: blocks of bytes to blocks of text (gzip, encodings, byte-order marks).
- ``columns``: lines that are one record each to columns; ``parser``: all other text to records.
- ``header``: which column is what, and the delimiter.
- ``row_validator``: a record to a ``Row`` or a ``Rejection``; ``amounts`` parses the number, ``placeholders``
  knows the cells that hold no data, and ``transaction_validator`` the columns of manual transactions.
- ``ignored_columns``: columns that would be ignored although they change what a row means, by ``sign_words``.
- ``csv_injection``: the apostrophe that keeps a spreadsheet from running a cell as a formula.
- ``problems``: codes of what can be wrong.
- ``reader``: all of these together, as the object's metadata says.
- ``writer``: files for people, in the dialect of the file that they sent.

A row's values stay as they are but for white space around them, the form of its number, and the marks by
which a spreadsheet keeps an id as text.
"""
