"""Logs of one JSON line each, those of the services among them."""

import logging
from typing import Final

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

PACKAGE: Final = "adjustments"


def function_logger() -> Logger:
    """The logger of a function; from now on what the services log goes the same way, with the same keys.

    Other packages are left out: at DEBUG, botocore and urllib3 would log bodies and keys.
    """
    logger = Logger()
    logging.getLogger(PACKAGE)  # only loggers that exist are led
    copy_config_to_registered_loggers(logger, include={PACKAGE})
    return logger
