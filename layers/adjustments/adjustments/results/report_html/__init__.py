"""The report that people read: one self-contained HTML page per batch.

Bottom up::

    markup      elements whose text is always escaped
    view_model  what the page shows of the rows, collected row by row in bounded memory
    texts       headlines, explanations, next steps; numbers and times in one format
    charts      the outcome bar and the timeline of jobs, as inline SVG
    sections    the parts of the page
    page        the whole page: no script, no request to any server
"""
