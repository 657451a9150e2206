"""What can go wrong for a person at the terminal; each kind has its exit code::

CliError
├── UsageError         2   the command line doesn't make sense
├── RequestRefused          3   the API says no: unknown batch, wrong state, bad value
└── ServiceError          4   AWS, the network or the API fails
    └── AccessDenied    4   the user's AWS identity may not do this; trying again would not help
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes (`adjust --help`)."""

    OK = 0
    NEEDS_REVIEW = 1
    USAGE_ERROR = 2
    REFUSED = 3
    SERVICE_ERROR = 4
    DETACHED = 130


class CliError(Exception):
    """An error that is told in one line."""

    code = Exit.SERVICE_ERROR


class UsageError(CliError):
    """The command line doesn't make sense."""

    code = Exit.USAGE_ERROR


class RequestRefused(CliError):
    """The API refuses; ``status`` is its HTTP status."""

    code = Exit.REFUSED

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ServiceError(CliError):
    """AWS, the network or the API fails."""


class AccessDenied(ServiceError):
    """The user's AWS identity may not do this."""
