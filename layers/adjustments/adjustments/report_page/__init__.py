"""The report that people read: one self-contained page per batch, for someone who has never seen the system.

Bottom up::

    markup     elements whose text is escaped, whatever it is
    digest     what the page tells of the rows, collected row by row in bounded memory
    words      the verdict, what to do next, numbers and times as people write them
    pictures   the bar of outcomes and the timeline of jobs, as SVG within the page
    sections   the page's parts
    page       the page: no script, no request to anywhere
"""
