"""The log of a function: one JSON line each, the services' lines among them (docs/runbook.md)."""

import logging
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from botocore.exceptions import ClientError

from adjustments.aws.event_log import error_facts
from adjustments.core import __version__
from adjustments.core.errors import AdjustmentsError, ConfigurationError, GameballError

PACKAGE: Final = "adjustments"

_Params = ParamSpec("_Params")
_Answer = TypeVar("_Answer")


class FunctionFailed(Exception):
    """A function failed; the log line before says why. Its message is the class of the first error.

    Lambda logs an error that leaves a function in several lines that are not JSON, message included, and that
    may quote a customer. So this error leaves the function in place of the first one.
    """


def function_logger() -> Logger:
    """Create the logger of a function, and send what the services log the same way.

    Loggers of other packages are left alone: at DEBUG, botocore and urllib3 would log bodies and keys.

    Returns:
        Powertools' logger. Keys that are appended to it appear in the services' lines, too; each line has the
        version of the code.
    """
    logger = Logger(version=__version__)
    logging.getLogger(PACKAGE)  # the configuration is copied to loggers that exist
    copy_config_to_registered_loggers(logger, include={PACKAGE})
    return logger


def failure_facts(error: BaseException) -> dict[str, Any]:
    """Describe an unhandled error without its message, which may quote a customer.

    Returns:
        ``error`` (class) and ``stack`` (places in the code); for an error of AWS also ``aws`` (operation and
        AWS's message); for a missing setting or secret also ``problem``, which names it; for a group of
        errors also ``errors``, one such description each.
    """
    facts: dict[str, Any] = {
        "error": type(error).__name__,
        "stack": [line.strip() for line in traceback.format_tb(error.__traceback__)],
    }
    cause = error if isinstance(error, ClientError) else error.__cause__
    if isinstance(cause, ClientError):
        facts["aws"] = f"{cause.operation_name}: {cause.response.get('Error', {}).get('Message', '')}"
    if isinstance(error, ConfigurationError):
        facts["problem"] = str(error)  # names a setting or the secret, and shows no value
    if isinstance(error, BaseExceptionGroup):
        facts["errors"] = [failure_facts(part) for part in error.exceptions]
    return facts


def refusal_facts(error: Exception) -> dict[str, Any]:
    """Describe an error that is answered to a caller, without its message, as ``failure_facts`` does."""
    if isinstance(error, GameballError):
        return dict(error_facts(error))
    facts = failure_facts(error)
    if isinstance(error, AdjustmentsError):
        del facts["stack"]  # it is raised on purpose
    return facts


def log_failures(
    logger: Logger,
) -> Callable[[Callable[_Params, _Answer]], Callable[_Params, _Answer]]:
    """Decorate the handler of an asynchronous function, so that its failures are logged.

    The decorated handler raises FunctionFailed in place of any other error.

    Args:
        logger: the function's; ids that were appended to it appear in the line.
    """

    def decorate(handler: Callable[_Params, _Answer]) -> Callable[_Params, _Answer]:
        @wraps(handler)
        def logged(*args: _Params.args, **kwargs: _Params.kwargs) -> _Answer:
            try:
                return handler(*args, **kwargs)
            except Exception as error:
                logger.error("function failed", **failure_facts(error))
                failed = type(error).__name__
            raise FunctionFailed(
                failed
            )  # outside the except block, so that it has no other error as its context

        return logged

    return decorate
