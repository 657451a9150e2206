"""`adjust console`: a page on this machine for people who work with batches without a command line.

Bottom up::

    access             who may use the page: token, session, Host and Origin, headers of every answer
    pages              templates, and how values are shown in them
    forms              bounded forms and uploads
    row_reasons        the rows of results.csv that fail, by reason
    services           what the pages work with: stack, API, and what is done once only
    batch_pages        list, one batch, its rows by reason, its result files
    submission_pages   a file: dry run, then apply
    decision_pages     approve, stop, resolve, reverse
    customer_pages     what was done for one customer
    app                routes, and errors turned into pages
    server             serves the page on loopback until Ctrl-C

A page for another thing is one more module of pages with its templates: its routes go into ``app.ROUTES`` and
its link into ``pages.NAVIGATION``.
"""
