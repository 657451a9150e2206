"""Benchmarks: everything against a rival in the same run (``python -m tests.bench``, ``make bench``)."""
