"""The port to the files in the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from adjustments.core.errors import FileUnreadable

UPLOADER: Final = "submitted-by"
"""Metadata of an object: the IAM identity that uploads it, as `adjust submit` writes it."""

NEW_ROWS: Final = "new-rows.csv"
"""The file with the rows of a held batch that no earlier batch has."""


class StoredObject(NamedTuple):
    """One version of one object, without its content."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int
    modified_at: datetime
    metadata: Mapping[str, str]


class OpenedObject(NamedTuple):
    """A version of an object and its bytes, which can be read once, and need not be read to the end."""

    stored: StoredObject
    blocks: Iterator[bytes]


def open_unreadable(stored: StoredObject, message: str) -> OpenedObject:
    """Open an object that can't be read: reading it raises FileUnreadable, which says why."""

    def fail(error: FileUnreadable) -> bytes:
        raise error

    return OpenedObject(stored, map(fail, [FileUnreadable("file_unreadable", message)]))


class ObjectWriter(Protocol):
    """An object that is being written; it appears complete, or not at all."""

    def write(self, data: bytes) -> None:
        """Add bytes."""


class Upload(NamedTuple):
    """An object that somebody else may put: its key, its metadata and its size at most."""

    key: str
    metadata: Mapping[str, str]
    bytes_max: int


class UploadForm(NamedTuple):
    """Where to send a form, and its fields, which go before the one named ``file``."""

    url: str
    fields: Mapping[str, str]


Put = Callable[[str, bytes, str], None]
"""Writes a small object: its key, its bytes, its content type."""


class Files(Protocol):
    """The bucket."""

    @property
    def bucket(self) -> str:
        """Its name."""

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        """Describe an object.

        Args:
            key: the object's key.
            version_id: its version, None for the newest.

        Raises:
            NotFound: there is none.
        """

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        """Describe an object as ``describe`` does, and open it for reading.

        Where it can't be read as it is stored, reading the blocks raises FileUnreadable.
        """

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        """Stream exactly this version's bytes; raises NotFound or FileUnreadable."""

    def blocks_from(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        """Stream the bytes of an object from ``start`` on.

        Raises:
            NotFound: there is none.
            WrongState: its content has another tag.
        """

    def get(self, key: str) -> bytes:
        """Read a small object.

        Raises:
            NotFound: there is none.
        """

    def get_range(self, key: str, first: int, end: int) -> bytes:
        """Read some bytes of an object that is stored as it is, from one place up to another one.

        Raises:
            NotFound: there is none.
        """

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write a small object."""

    def put_many(self) -> AbstractContextManager[Put]:
        """Write small objects in parallel; all are written when the block ends without an error."""

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Write a small object unless the key exists; returns whether it was written."""

    def link(self, key: str, seconds: int) -> str:
        """Make a URL from which anybody can read the object for some seconds."""

    def upload_form(self, upload: Upload, seconds: int) -> UploadForm:
        """Make a form by which anybody can put this object for some seconds (HTTP POST)."""

    def tag(self, key: str) -> str:
        """The entity tag of an object's current content; empty where there is none."""

    def writer(
        self, key: str, content_type: str, replaces: str | None = None
    ) -> AbstractContextManager[ObjectWriter]:
        """Write a large object piece by piece; nothing is written when the block ends with an error.

        Args:
            key: the object's key.
            content_type: its content type.
            replaces: the tag of the content that may be replaced, None for any.

        Raises:
            WrongState: the object has another tag; nothing is written.
        """

    def names(self, prefix: str) -> list[str]:
        """List the keys below a prefix."""

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        """List the versions below a prefix that were written between two times, without their metadata."""
