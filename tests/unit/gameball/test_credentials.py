"""Credentials show themselves nowhere, whatever is made of them."""

import io
import json
import pprint
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from adjustments.core import exact_json
from adjustments.gameball.credentials import Credentials

HIDDEN = ("hidden-api-key", "hidden-secret-key")
KEYS = Credentials(*HIDDEN)


def logged(keys: Credentials) -> str:
    """Lines of a function's logger that have the keys in every place where a line may have something."""
    lines = io.StringIO()
    logger = Logger(service="test_keys", stream=lines)
    logger.append_keys(appended=keys)
    logger.warning(keys)
    logger.warning({"keys": keys})
    logger.warning("keys: %s, %r", keys, [keys])
    logger.warning("keys", named=keys, extra={"added": (keys,)})
    try:
        raise ValueError(keys)
    except ValueError:
        logger.exception("broke")
    return lines.getvalue()


@pytest.mark.parametrize(
    "text_of",
    [str, repr, format, ascii, pprint.pformat, "{0} {0!r} {0!s:>9}".format, lambda keys: f"{[keys]} {keys}"],
)
def test_credentials_have_no_text_that_shows_them(text_of: Callable[[Credentials], str]):
    assert not any(key in text_of(KEYS) for key in HIDDEN)


def test_credentials_are_not_logged():
    lines = logged(KEYS)
    assert lines.count("Credentials()") >= 7
    assert not any(key in lines for key in HIDDEN)


@pytest.mark.parametrize("take_apart", [json.dumps, exact_json.write, list, dict, vars, "{0[0]}".format])
def test_credentials_are_not_expanded_as_a_tuple(take_apart: Callable[[Any], object]):
    with pytest.raises(TypeError):
        take_apart(KEYS)


def test_credentials_are_equal_by_their_keys():
    assert Credentials(*HIDDEN) == KEYS
    others: list[object] = [
        Credentials(HIDDEN[0], "other"),
        Credentials("other", HIDDEN[1]),
        Credentials(*HIDDEN[::-1]),
        HIDDEN,
    ]
    assert all(other != KEYS for other in others)
