"""Submitting a batch: reading its file, planning it, and sending its chunks."""
