"""Pure CSV intake: bytes in, one decision per row out; no files, no network, no clock.

The rooms, in the order in which a file passes through them::

    bytes_in   blocks of bytes → blocks of text     (gzip, marks, encodings, "this is no text")
    records    blocks of text  → batches of records (line ends, quotes, the length of a record)
    header     the first record → which column is what, and the delimiter
    rows       a record → ``Row`` or ``Rejection``  (calling ``amounts`` for the number)
    cells      the apostrophe that keeps a spreadsheet from running a cell; text shown in messages
    reader     the rooms joined, in constant memory

Nothing of a row is changed but white space round its values and the form of its number.
"""
