"""What all records are made of; apart from ``model``, which a manual transaction need not load."""

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Record(BaseModel):
    """What is kept of something: immutable, camelCase outside, tolerant of fields of newer versions."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def model_post_init(self, context: Any, /) -> None:
        """Share the note of which fields were given: nobody asks, and of chunks there are ten thousand."""
        object.__setattr__(self, "__pydantic_fields_set__", _names(type(self)))


@lru_cache
def _names(record: type[Record]) -> set[str]:
    return set(record.model_fields)
