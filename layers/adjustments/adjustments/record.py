"""What all records are made of: immutable, camelCase outside, tolerant of fields of newer versions.

Neither pydantic, which would be a third of each cold start, nor dataclasses, each of which compiles six
methods at import (docs/decisions.md): what records read was written by themselves.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, ClassVar, Final, NamedTuple, NoReturn, Self, dataclass_transform, get_args

_MISSING: Final = object()


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """What is kept of something. The annotations of a kind are its fields, which are given by their names."""

    _defaults: ClassVar[dict[str, Any]] = {}
    """Of each field its default, or ``_MISSING``, in their order."""
    _required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        cls._defaults = {name: cls.__dict__.get(name, _MISSING) for name in cls.__annotations__}
        cls._required = frozenset(name for name, default in cls._defaults.items() if default is _MISSING)

    def __init__(self, **values: Any) -> None:
        wrong = (self._required - values.keys()) or (values.keys() - self._defaults.keys())
        if wrong:
            raise TypeError(f"{type(self).__name__} lacks a field, or has none: {', '.join(sorted(wrong))}")
        self.__dict__.update({**self._defaults, **values})

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} can't be changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} can't be changed: {name}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({shown})"

    def replaced(self, **changes: Any) -> Self:
        """This record with other values; raises TypeError for a name that it has no field of."""
        if not changes.keys() <= self.__dict__.keys():
            unknown = ", ".join(sorted(changes.keys() - self.__dict__.keys()))
            raise TypeError(f"{type(self).__name__} has no field {unknown}")
        return self._of(self.__dict__ | changes)

    def values(self) -> dict[str, Any]:
        """The values by the names that they have here."""
        return dict(self.__dict__)

    def to_json(self) -> dict[str, Any]:
        """The values as JSON has them, by the names that they have outside."""
        told = {}
        for field in _form(type(self)):
            value = self.__dict__[field.name]
            told[field.outside] = value if type(value) in _PLAIN else _written(value)
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The record that ``to_json`` told; raises ValueError where it can't have told that."""
        values = {}
        for field in _form(cls):
            value = told.get(field.outside, _MISSING)
            if value is _MISSING:
                value = field.default
                if value is _MISSING:
                    raise ValueError(f"{cls.__name__}: {field.outside} is missing")
            elif type(value) is not field.kind:
                value = field.read(value)
            values[field.name] = value
        return cls._of(values)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        """A record of these values, which are all there, in their order."""
        record = object.__new__(cls)
        record.__dict__.update(values)
        return record


def camel(name: str) -> str:
    """The name that a field has outside."""
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


_Read = Callable[[Any], Any]
_PLAIN: Final = frozenset({str, int, bool, type(None)})


class _Field(NamedTuple):
    """A field: its two names, the type whose values are taken as they are, how others are read."""

    name: str
    outside: str
    kind: type
    read: _Read
    default: Any


_forms: dict[type, tuple[_Field, ...]] = {}


def _form(kind: type[Record]) -> tuple[_Field, ...]:
    """The fields of a kind of record, in their order."""
    if kind not in _forms:
        _forms[kind] = tuple(
            _Field(name, camel(name), _plain_kind(of), _reader(of), kind._defaults[name])
            for name, of in kind.__annotations__.items()
        )
    return _forms[kind]


def _plain_kind(kind: Any) -> type:
    """The type that a field has in JSON as well as here; without one, no value is of it."""
    parts = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return parts[0] if parts[0] in _PLAIN else _Field


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
