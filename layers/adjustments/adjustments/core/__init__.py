"""What everything else is built on: errors, limits, ids, exact numbers, settings, clock."""
