"""The HTTP server on loopback, and the stand-in as an object to start and stop."""

import contextlib
import socket
import socketserver
import sys
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Self

from local.standin.account import Account
from local.standin.admin_api import AdminApi, customers_from
from local.standin.clock import Clock, SystemClock
from local.standin.exact_json import BadJsonError, loads
from local.standin.gameball_api import GameballApi
from local.standin.handler import Handler
from local.standin.settings import Settings, changed

LOOPBACK = "127.0.0.1"

SettingValue = str | int | float | Decimal | bool | None | Iterable[str]
Balance = int | str | Decimal


class LoopbackServer(socketserver.ThreadingTCPServer):
    """A thread per connection; stopping ends every connection and waits for its thread."""

    allow_reuse_address = True
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, account: Account, port: int) -> None:
        self.account = account
        self.api = GameballApi(account)
        self.admin_api = AdminApi(account)
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((LOOPBACK, port), Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client: object) -> None:
        """Register the connection and serve it in its own thread."""
        if isinstance(request, socket.socket):
            with self._open_lock:
                self._open.add(request)
        super().process_request(request, client)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Unregister the connection and close it."""
        if isinstance(request, socket.socket):
            with self._open_lock:
                self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore that a client disconnected; print any other error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Stop accepting connections, close the open ones, and wait for all threads."""
        self.stopping.set()
        self.shutdown()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class StandIn:
    """The stand-in in this process: `with StandIn(limits=False) as standin: … standin.base_url`."""

    def __init__(
        self,
        port: int = 0,
        clock: Clock | None = None,
        customers: Mapping[str, Balance] | None = None,
        **settings: SettingValue,
    ) -> None:
        wanted = {name: _exact(value) for name, value in settings.items()}
        self.account = Account(changed(Settings(), wanted), clock or SystemClock())
        self.account.open_customers((name, Decimal(balance)) for name, balance in (customers or {}).items())
        self._port = port
        self._server: LoopbackServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start to listen."""
        self._server = LoopbackServer(self.account, self._port)
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.005}, name="standin")
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end all threads."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            raise RuntimeError("the stand-in is not running")
        return int(self._server.server_address[1])

    @property
    def base_url(self) -> str:
        """The base URL to configure as Gameball's."""
        return f"http://{LOOPBACK}:{self.port}"

    def open_customers_from(self, raw: bytes) -> None:
        """Create customers from JSON, as `POST /_standin/customers` takes it."""
        wanted = loads(raw)
        if not isinstance(wanted, dict):
            raise BadJsonError("The customers' file must hold an object")
        self.account.open_customers(list(customers_from(wanted)))


def _exact(value: SettingValue) -> object:
    """Convert a setting from Python to JSON types; a float becomes the decimal of its text."""
    if isinstance(value, float):
        return Decimal(str(value))
    if value is None or isinstance(value, str | int | Decimal):
        return value
    return list(value)
