"""Calls to Gameball: client, credentials, shared rate limiter, retry policy."""
