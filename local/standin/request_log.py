"""The log of received requests, for tests; it contains no key."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from local.standin.exact_json import BadJsonError, dumps, loads, quoted

ENTRIES_MAX = 100_000
KEY_CHARS_MIN = 6


@dataclass(slots=True)
class LoggedRequest:
    """One request; `status` is None as long as it is not answered."""

    at: str
    method: str
    path: str
    resource: str
    body: bytes | None
    status: int | None = None
    fault: str | None = None

    def json(self) -> str:
        """The entry as JSON, with the body exactly as it was sent."""
        head = {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "resource": self.resource,
            "status": self.status,
            "fault": self.fault,
        }
        return f'{dumps(head)[:-1]},"body":{_as_sent(self.body)}}}'


def _as_sent(body: bytes | None) -> str:
    """The text unchanged where it is JSON, else as a JSON string."""
    if body is None:
        return "null"
    try:
        loads(body)
    except BadJsonError:
        return quoted(body.decode("utf-8", "replace"))
    return body.decode("utf-8")


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[LoggedRequest] = deque(maxlen=ENTRIES_MAX)

    def add(self, entry: LoggedRequest) -> LoggedRequest:
        """Append an entry; its status is set later."""
        self._entries.append(entry)
        return entry

    def matching(self, method: str | None, path: str) -> list[LoggedRequest]:
        """The entries of a method whose path contains a text."""
        return [entry for entry in self._entries if method in (None, entry.method) and path in entry.path]


def scrubbed(raw: bytes, keys: tuple[str, ...]) -> bytes:
    """Replace keys in an address or a body."""
    for key in keys:
        # A shorter one is no secret, and replacing it would garble the log.
        if len(key) >= KEY_CHARS_MIN:
            raw = raw.replace(key.encode(), b"***")
    return raw


def as_blocks(entries: list[LoggedRequest]) -> Iterator[bytes]:
    """The log as one JSON object, in blocks, since bodies may be long."""
    separator = '{"requests":['
    for entry in entries:
        yield (separator + entry.json()).encode()
        separator = ","
    yield b"]}" if entries else b'{"requests":[]}'
