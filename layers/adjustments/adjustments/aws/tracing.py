"""Requests to Gameball as X-Ray sees them: one subsegment each, sent to the daemon beside the function.

A subsegment is a small JSON document (X-Ray developer guide, "Segment documents" and "Sending trace data").
Ours hold method, address and status: no query, no body, no key. None is worth waiting or failing for.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from ipaddress import IPv4Address
from typing import Any, Final
from urllib.parse import urlsplit

_HEADER: Final = b'{"format": "json", "version": 1}\n'


class Exchange:
    """A request under way; ``status`` is Gameball's answer, None as long as there is none."""

    def __init__(self) -> None:
        self.status: int | None = None


Trace = Callable[[str, str], AbstractContextManager[Exchange]]
"""Watches one request from before it is sent, given its method and address."""


@contextmanager
def untraced(method: str, url: str) -> Iterator[Exchange]:
    """Watch nothing."""
    yield Exchange()


class DaemonTrace:
    """Sends to the daemon that Lambda names, when Lambda samples the invocation.

    Args:
        environment: a live view of the function's: the ids in it change with each invocation.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    @contextmanager
    def __call__(self, method: str, url: str) -> Iterator[Exchange]:
        """See ``Trace``."""
        exchange, began_at_s = Exchange(), time.time()
        try:
            yield exchange
        finally:
            told = _told(method, url.partition("?")[0], exchange.status)
            self._send({**told, "start_time": began_at_s, "end_time": time.time()})

    def _send(self, told: Mapping[str, Any]) -> None:
        pairs = self._environment.get("_X_AMZN_TRACE_ID", "").split(";")
        ids = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
        if ids.get("Sampled") != "1" or not (ids.get("Root") and ids.get("Parent")):
            return
        document = {"trace_id": ids["Root"], "parent_id": ids["Parent"], **told}
        host, _, port = self._environment.get("AWS_XRAY_DAEMON_ADDRESS", "").partition(":")
        with suppress(OSError, ValueError, OverflowError), socket.socket(type=socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            # only an address: looking up a name would take time
            out.sendto(_HEADER + json.dumps(document).encode(), (str(IPv4Address(host)), int(port)))


def _told(method: str, url: str, status: int | None) -> dict[str, Any]:
    """What is told of a request; no answer is a fault as a 5xx is."""
    response = {} if status is None else {"response": {"status": status}}
    return {
        "type": "subsegment",
        "namespace": "remote",
        "id": secrets.token_hex(8),
        "name": urlsplit(url).hostname or "gameball",
        "http": {"request": {"method": method, "url": url}, **response},
        "error": status is not None and 400 <= status < 500,
        "throttle": status == 429,
        "fault": status is None or status >= 500,
    }
