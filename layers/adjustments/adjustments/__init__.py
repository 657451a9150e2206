"""Balance adjustments for Gameball: files and calls become adjustments, sent once, and reported row by row.

The features are the folders ``submission``, ``polling`` and ``manual_transactions``; ``results``,
``reconciliation`` and ``administration`` use them; ``gameball``, ``aws``, ``batches`` and ``core`` are what
they rest on. ``bootstrap`` puts an application together. Imports point downwards only.
"""
