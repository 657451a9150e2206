"""What can go wrong for a person at the terminal; each kind has its exit code::

CliError
├── WrongUse         2   the command line doesn't make sense
├── Refused          3   the API says no: unknown batch, wrong state, bad value
└── Trouble          4   AWS, the network or the API fails
    └── Forbidden    4   the user's AWS identity may not do this; trying again would not help
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes (`adjust --help`)."""

    OK = 0
    NOT_ALL_WELL = 1
    WRONG_USE = 2
    REFUSED = 3
    TROUBLE = 4
    DETACHED = 130


class CliError(Exception):
    """An error that is told in one line."""

    code = Exit.TROUBLE


class WrongUse(CliError):
    """The command line doesn't make sense."""

    code = Exit.WRONG_USE


class Refused(CliError):
    """The API refuses; ``status`` is its HTTP status."""

    code = Exit.REFUSED

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Trouble(CliError):
    """AWS, the network or the API fails."""


class Forbidden(Trouble):
    """The user's AWS identity may not do this."""
