"""Polling of jobs: status in both dialects, settlement of chunks, dry runs."""
