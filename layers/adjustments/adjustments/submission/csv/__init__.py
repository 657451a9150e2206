"""Reads and writes CSV files: bytes in, one validated row or rejection per record out; no clock.

The modules, in the order in which a file passes through them:

- ``decoding``: blocks of bytes to blocks of text (gzip, marks), and which encoding is certain.
- ``parser``: blocks of text to records or columns; ``grammar`` reads one record by the rules of CSV.
- ``header``: the delimiter, and which column has which role; ``column_names`` knows which role a name claims.
- ``row_validator``: a record to a ``Row`` or a ``Rejection``; ``transaction_validator`` for files that are
  sent as transactions. ``cell_checks`` says what is wrong with a cell, ``amounts`` parses the number, and
  ``placeholders`` knows the cells that hold no data.
- ``ignored_columns``: columns that would be ignored although they change what a row means, by ``sign_words``.
- ``csv_injection``: the apostrophe that keeps a spreadsheet from running a cell as a formula.
- ``problems``: codes of what can be wrong.
- ``reader``: all of these together, as the object's metadata says.
- ``writer``: files for people, in the dialect of the file that they sent.

A row's values stay as they are but for white space around them, the form of its number, and the marks by
which a spreadsheet keeps an id as text.
"""
