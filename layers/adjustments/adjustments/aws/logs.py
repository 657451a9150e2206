"""Logs of one JSON line each, those of the services among them."""

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from botocore.exceptions import ClientError

PACKAGE: Final = "adjustments"

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


class FunctionFailed(Exception):
    """A function did not do its work; the line before in its log says why. Whoever invoked it may try again.

    Lambda writes down an error that leaves a function, in several lines and with its words, which may be a
    customer's or Gameball's. So this one leaves in its place, with the name of the other.
    """


def function_logger() -> Logger:
    """The logger of a function; from now on what the services log goes the same way, with the same keys.

    Other packages are left out: at DEBUG, botocore and urllib3 would log bodies and keys.
    """
    logger = Logger()
    logging.getLogger(PACKAGE)  # only loggers that exist are led
    copy_config_to_registered_loggers(logger, include={PACKAGE})
    return logger


def failure_facts(error: BaseException) -> dict[str, Any]:
    """What may be told of an error that nobody handled: its class and places, and AWS's own words."""
    facts: dict[str, Any] = {
        "error": type(error).__name__,
        "stack": [line.strip() for line in traceback.format_tb(error.__traceback__)],
    }
    cause = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(cause, ClientError):
        facts["aws"] = f"{cause.operation_name}: {cause.response.get('Error', {}).get('Message', '')}"
    if isinstance(error, BaseExceptionGroup):
        facts["errors"] = [failure_facts(part) for part in error.exceptions]
    return facts


def log_failures(
    logger: Logger,
) -> Callable[[Callable[_Given, _Answer]], Callable[_Given, _Answer]]:
    """A decorator for handlers that nobody waits for: logs what broke one, with the ids known by then.

    The decorated handler raises FunctionBroke in place of any other error.
    """

    def decorate(handler: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
        @wraps(handler)
        def told(*args: _Given.args, **kwargs: _Given.kwargs) -> _Answer:
            try:
                return handler(*args, **kwargs)
            except Exception as error:
                logger.error("function broke", **failure_facts(error))
                broken = type(error).__name__
            raise FunctionFailed(broken)  # out of the handler above, so that it carries no other error along

        return told

    return decorate
