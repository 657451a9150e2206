"""What lets the bundle run on one machine."""
