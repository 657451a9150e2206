"""Validation of single values of settings, faults and customers; an invalid one is refused with 400."""

from collections.abc import Mapping
from decimal import Decimal

from local.standin.exact_json import exact_number
from local.standin.responses import refuse_plain

DURATION_S_MAX = 86_400


def read_object(value: object, name: str) -> Mapping[str, object]:
    """Read a JSON object."""
    if not isinstance(value, dict):
        raise refuse_plain(f"{name} must be an object")
    return value


def read_boolean(value: object, name: str) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise refuse_plain(f"{name} must be true or false")
    return value


def read_switch(value: object, name: str) -> bool:
    """Read a boolean, or the strings `on` and `off`."""
    return read_boolean(
        {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value, name
    )


def read_text(value: object, name: str) -> str:
    """Read a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise refuse_plain(f"{name} must be a non-empty string")
    return value


def read_count(value: object, name: str, least: int = 0, most: int = 1_000_000) -> int:
    """Read an integer within bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise refuse_plain(f"{name} must be a whole number from {least} to {most}")
    return value


def read_duration_s(value: object, name: str) -> Decimal:
    """Read a number of seconds from 0 to one day."""
    number = exact_number(value)
    if number is None or not 0 <= number <= DURATION_S_MAX:
        raise refuse_plain(f"{name} must be a number of seconds from 0 to {DURATION_S_MAX}")
    return number


def read_choice(value: object, name: str, choices: tuple[str, ...]) -> str:
    """Read one of the given strings."""
    if not isinstance(value, str) or value not in choices:
        raise refuse_plain(f"{name} must be one of {', '.join(choices)}")
    return value


def read_texts(value: object, name: str) -> frozenset[str]:
    """Read a list of strings."""
    if not isinstance(value, list | tuple) or not all(isinstance(member, str) for member in value):
        raise refuse_plain(f"{name} must be a list of strings")
    return frozenset(value)
