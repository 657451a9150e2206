"""Ports that keep little or nothing in memory, so that what is measured is the package, and that count."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

from adjustments.batches.files import ObjectWriter, OpenedObject, Put, StoredObject, Upload, UploadForm
from adjustments.core.errors import NotFound
from tests.fakes.memory import START

Blocks = Callable[[], Iterator[bytes]]

_BLOCK_BYTES = 1 << 18
"""As the bucket's adapter reads."""

_PART_BYTES = 8 << 20
"""As the bucket's adapter uploads."""


def open_scratch_file() -> BinaryIO:
    """Open a scratch file on the disk."""
    return cast(BinaryIO, tempfile.TemporaryFile())


def of_file(path: Path) -> Blocks:
    """The blocks of a file on the disk."""

    def read() -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    return read


class FolderFiles:
    """``Files`` in a folder; the dropped file itself comes from ``source``.

    Args:
        folder: where objects are written; None to count and drop them, but for the indexes, which the
            planner reads again.
        source: the dropped file's blocks.
        calls: where the calls are counted.
    """

    bucket = "bench"

    def __init__(self, folder: Path | None, source: Blocks, calls: Counter[str] | None = None) -> None:
        self._folder = folder
        self._source = source
        self.calls: Counter[str] = Counter() if calls is None else calls
        self.bytes_written = 0
        self._read_again: dict[str, bytes] = {}

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        self.calls["head"] += 1
        return StoredObject(self.bucket, key, version_id or "v1", 0, START, {})

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        stored = StoredObject(self.bucket, key, version_id or "v1", 0, START, {})
        if key in self._read_again:
            return OpenedObject(stored, iter([self._read_again[key]]))
        return OpenedObject(stored, self.blocks(stored))

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        self.calls["get"] += 1
        return self._source()

    def blocks_from(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        return iter([self.get(key)[start:]])

    def upload_form(self, upload: Upload, seconds: int) -> UploadForm:
        return UploadForm(upload.key, upload.metadata)

    def get(self, key: str) -> bytes:
        self.calls["get"] += 1
        if self._folder is None:
            raise NotFound(key)
        try:
            return self._path(self._folder, key).read_bytes()
        except FileNotFoundError:
            raise NotFound(key) from None

    def get_range(self, key: str, first: int, end: int) -> bytes:
        self.calls["get"] += 1
        if self._folder is None:
            raise NotFound(key)
        with self._path(self._folder, key).open("rb") as file:
            file.seek(first)
            return file.read(end - first)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self.calls["put"] += 1
        self.bytes_written += len(body)
        if self._folder is not None:
            self._path(self._folder, key).write_bytes(body)

    @contextmanager
    def put_many(self) -> Iterator[Put]:
        yield self.put

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        self.put(key, body, content_type)
        return True

    def link(self, key: str, seconds: int) -> str:
        return key

    def tag(self, key: str) -> str:
        self.calls["get"] += 1
        return ""

    @contextmanager
    def writer(self, key: str, content_type: str, replaces: str | None = None) -> Iterator[ObjectWriter]:
        is_index = self._folder is None and key.endswith(".idx")
        dropped = _Kept() if is_index else _Sink()
        out = dropped if self._folder is None else _Out(self._path(self._folder, key))
        try:
            yield out
        finally:
            out.close()
        if isinstance(out, _Kept):
            self._read_again[key] = bytes(out.data)
        parts = out.size // _PART_BYTES
        self.calls["put"] += 1 if not parts else parts + 3  # begin, the parts and the rest, complete
        self.bytes_written += out.size

    def names(self, prefix: str) -> list[str]:
        return []

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        return iter(())

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key.replace("/", "~")


class _Sink:
    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)

    def close(self) -> None:
        pass


class _Kept(_Sink):
    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray()

    def write(self, data: bytes) -> None:
        super().write(data)
        self.data += data


class _Out(_Sink):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file: IO[bytes] = path.open("wb")

    def write(self, data: bytes) -> None:
        super().write(data)
        self._file.write(data)

    def close(self) -> None:
        self._file.close()
