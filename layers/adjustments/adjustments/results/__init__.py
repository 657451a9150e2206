"""What people and programs learn of a batch: result files, the report page, notifications."""
