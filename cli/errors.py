"""Errors of the command, each with its exit code::

CliError
├── UsageError          2   the command line is not valid
├── RequestRefused      3   the API refused the request: unknown batch, wrong state, invalid value
└── ServiceError        4   AWS, the network or the API failed
    └── AccessDenied    4   the user's AWS identity is not allowed to do this
"""

from enum import IntEnum

from botocore.exceptions import BotoCoreError, ClientError


class Exit(IntEnum):
    """The exit codes (`adjust --help`)."""

    OK = 0
    NEEDS_REVIEW = 1
    USAGE_ERROR = 2
    REFUSED = 3
    SERVICE_ERROR = 4
    DETACHED = 130


class CliError(Exception):
    """Base of the errors; the message is printed on one line."""

    code = Exit.SERVICE_ERROR


class UsageError(CliError):
    """The command line is not valid."""

    code = Exit.USAGE_ERROR


class RequestRefused(CliError):
    """The API refused the request; ``status`` is the HTTP status."""

    code = Exit.REFUSED

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ServiceError(CliError):
    """AWS, the network or the API failed."""


class AccessDenied(ServiceError):
    """The user's AWS identity is not allowed to do this; another attempt would not help."""


def aws_message(error: ClientError | BotoCoreError) -> str:
    """The message of an error of AWS."""
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        return f"AWS error {details.get('Code')}: {details.get('Message')}"
    return str(error)
