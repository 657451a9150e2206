"""In-memory ports that pass the same contract tests as the real ones (tests/contract)."""
