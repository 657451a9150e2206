"""Clearing doubt: evidence from Gameball, and what a person resolves."""
