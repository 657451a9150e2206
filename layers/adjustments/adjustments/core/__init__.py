"""What everything else is built on: errors, limits, ids, exact numbers, settings, clock."""

__version__ = "1.0.0"
"""The version of all that is deployed together (semantic versioning): functions, layer and command.

The template's output `Version` and docs/openapi.yaml can't read it and repeat it; a test compares them.
"""
