"""What all records are made of: immutable, camelCase outside, tolerant of fields of newer versions.

Plain dataclasses: what they read was written by themselves. pydantic would be a third of each cold start
(docs/decisions.md), so it is left to what comes from outside.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Self, get_args


class Record:
    """What is kept of something; each kind is a frozen dataclass with keyword arguments."""

    def replaced(self, **changes: Any) -> Self:
        """This record with other values; ``dataclasses.replace`` takes ten times as long."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.__dict__.update(changes)
        return other

    def values(self) -> dict[str, Any]:
        """The values by the names that they have here."""
        return dict(self.__dict__)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON has them, by the names that they have outside."""
        return {outside: _written(getattr(self, name)) for name, outside, _, _ in _form(type(self))}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The record that ``to_json`` told; raises ValueError where it can't have told that."""
        values = {}
        for name, outside, read, is_required in _form(cls):
            if outside in told:
                values[name] = read(told[outside])
            elif is_required:
                raise ValueError(f"{cls.__name__}: {outside} is missing")
        return cls(**values)


def camel(name: str) -> str:
    """The name that a field has outside."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_Read = Callable[[Any], Any]


_Form = tuple[tuple[str, str, _Read, bool], ...]
_forms: dict[type, _Form] = {}


def _form(kind: type[Record]) -> _Form:
    """Of each field its two names, how it is read, and whether it must be there."""
    if kind not in _forms:
        of: Any = kind
        _forms[kind] = tuple(
            (field.name, camel(field.name), _reader(field.type), field.default is MISSING)
            for field in fields(of)
        )
    return _forms[kind]


def _reader(kind: Any) -> _Read:
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        read = _reader(parts[0])
        return lambda value: None if value is None else read(value)
    if parts:
        read = _reader(parts[0])
        return lambda values: tuple(map(read, values))
    known: _Read = kind.from_json if issubclass(kind, Record) else _READERS.get(kind, kind)
    return known  # an enumeration reads its own values


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{type(value).__name__} in place of a text")
    return value


def _whole_number(value: object) -> int:
    """A whole number, which the table gives as a Decimal."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        raise ValueError(f"{type(value).__name__} in place of a whole number")
    return int(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{type(value).__name__} in place of true or false")
    return value


_READERS: dict[type, _Read] = {
    str: _text,
    int: _whole_number,
    bool: _flag,
    datetime: lambda value: datetime.fromisoformat(_text(value)),
}


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Record):
        return value.to_json()
    return [_written(item) for item in value] if isinstance(value, tuple) else value
