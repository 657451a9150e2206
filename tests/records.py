"""Stored models with anything in every field, for tests that hold for all of them."""

import types
import typing
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

from adjustments.batches.batch_parts import StoredModel


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, those of models within models included."""
    if isinstance(kind, types.UnionType):
        return st.one_of([anything(part) for part in typing.get_args(kind)])
    if typing.get_origin(kind) is tuple:
        return st.lists(anything(typing.get_args(kind)[0]), max_size=3).map(tuple)
    if kind is types.NoneType:
        return st.none()
    if issubclass(kind, StoredModel):
        fields = {name: anything(field.annotation) for name, field in kind.model_fields.items()}
        return st.builds(kind, **fields)
    if issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    return _SIMPLE[kind]


_SIMPLE: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(min_value=-(10**37), max_value=10**37),
    bool: st.booleans(),
    datetime: st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),
}
