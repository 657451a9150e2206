"""The port to the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from adjustments.core.errors import FileUnreadable


class StoredObject(NamedTuple):
    """One version of one object, as it lies in the bucket."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int
    modified_at: datetime
    metadata: Mapping[str, str]


class OpenedObject(NamedTuple):
    """An object's version, and its bytes, which can be read once; nothing is lost by leaving them."""

    stored: StoredObject
    blocks: Iterator[bytes]


def open_unreadable(stored: StoredObject, message: str) -> OpenedObject:
    """Open an object that can't be read: reading it raises FileUnreadable, which says why."""

    def fail(error: FileUnreadable) -> bytes:
        raise error

    return OpenedObject(stored, map(fail, [FileUnreadable("file_unreadable", message)]))


class ObjectWriter(Protocol):
    """An object that is being written; it appears whole, or not at all."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


Put = Callable[[str, bytes, str], None]
"""Writes a small object: its key, its bytes, its content type."""


class Files(Protocol):
    """The bucket."""

    @property
    def bucket(self) -> str:
        """Its name."""

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        """Look at an object, its newest version where none is named; raises NotFound."""

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        """Look at an object as ``describe`` does, and begin to read it; raises NotFound.

        Of an object that can't be read as it is, reading the blocks raises FileUnreadable.
        """

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        """Stream exactly this version's bytes; raises NotFound or FileUnreadable."""

    def get(self, key: str) -> bytes:
        """Read a small object; raises NotFound."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write a small object."""

    def put_many(self) -> AbstractContextManager[Put]:
        """Write many small objects side by side; they are all there when the block is left without error."""

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Write a small object, unless there is one of this key already; whether it was written."""

    def link(self, key: str, seconds: int) -> str:
        """An address from which anybody may read the object for so long."""

    def tag(self, key: str) -> str:
        """Name what an object holds now; empty where there is none."""

    def writer(
        self, key: str, content_type: str, replaces: str | None = None
    ) -> AbstractContextManager[ObjectWriter]:
        """Write a large object piece by piece; nothing appears when the block is left by an error.

        Args:
            key: the object's key.
            content_type: what it holds.
            replaces: the tag of what may be replaced, None for anything.

        Raises WrongState, and writes nothing, where the object has changed since it had that tag.
        """

    def names(self, prefix: str) -> list[str]:
        """The keys below a prefix."""

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        """Every version below a prefix that was dropped between two times; without its metadata."""
