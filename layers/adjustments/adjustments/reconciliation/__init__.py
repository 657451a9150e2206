"""Reconciliation: clears doubt about rows by evidence from Gameball, or by what a person resolves."""
