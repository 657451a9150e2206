"""Checks of single values that settings, faults and the customers' list have in common."""

from collections.abc import Mapping
from decimal import Decimal

from local.standin.exact_json import exact_number
from local.standin.responses import refuse_plainly

LONGEST_DURATION_S = 86_400


def an_object(value: object, name: str) -> Mapping[str, object]:
    """A JSON object, or a 400."""
    if not isinstance(value, dict):
        raise refuse_plainly(f"{name} must be an object")
    return value


def a_boolean(value: object, name: str) -> bool:
    """A boolean, or a 400."""
    if not isinstance(value, bool):
        raise refuse_plainly(f"{name} must be true or false")
    return value


def a_switch(value: object, name: str) -> bool:
    """A boolean or the words on and off."""
    return a_boolean({"on": True, "off": False}.get(value, value) if isinstance(value, str) else value, name)


def a_text(value: object, name: str) -> str:
    """A string that is not empty, or a 400."""
    if not isinstance(value, str) or not value:
        raise refuse_plainly(f"{name} must be a non-empty string")
    return value


def a_count(value: object, name: str, least: int = 0, most: int = 1_000_000) -> int:
    """A whole number within bounds, or a 400."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse_plainly(f"{name} must be a whole number from {least} to {most}")
    return value


def a_duration(value: object, name: str) -> Decimal:
    """Seconds from 0 to a day, or a 400."""
    number = exact_number(value)
    if number is None or not 0 <= number <= LONGEST_DURATION_S:
        raise refuse_plainly(f"{name} must be a number of seconds from 0 to {LONGEST_DURATION_S}")
    return number


def one_of(value: object, name: str, choices: tuple[str, ...]) -> str:
    """One of the words given, or a 400."""
    if not isinstance(value, str) or value not in choices:
        raise refuse_plainly(f"{name} must be one of {', '.join(choices)}")
    return value


def some_texts(value: object, name: str) -> frozenset[str]:
    """A list of strings, or a 400."""
    if not isinstance(value, list | tuple) or not all(isinstance(member, str) for member in value):
        raise refuse_plainly(f"{name} must be a list of strings")
    return frozenset(value)
