"""Serves the console on loopback until Ctrl-C."""

import contextlib
import socket
from collections.abc import Callable
from typing import Final

import uvicorn

from cli.console.access import HOST, Access
from cli.console.app import make_app
from cli.errors import UsageError
from cli.stack import Stack

_STOP_WITHIN_S: Final = 3
_CONNECTIONS_MAX: Final = 100


def serve(stack: Stack, port: int, ready: Callable[[str], None]) -> None:
    """Serve the console until the process is interrupted.

    Args:
        stack: the deployed stack; it is looked up before the page is served.
        port: the port on loopback; 0 for any free one.
        ready: called with the address, as soon as the page answers there.

    Raises:
        UsageError: the port is taken.
        ServiceError: there is no such stack.
    """
    with listening(port) as listener:
        access = Access(listener.getsockname()[1])
        # The clients are made here once: several threads must not make them at the same time.
        _ = stack.api_url, stack.s3, stack.s3_without_retries, stack.caller_identity
        config = uvicorn.Config(
            make_app(stack, access),
            access_log=False,  # its lines would have the token
            log_level="error",
            lifespan="off",
            server_header=False,
            ws="none",
            limit_concurrency=_CONNECTIONS_MAX,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        ready(access.address)
        # uvicorn ends in order at Ctrl-C, and passes the interrupt on then.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def listening(port: int) -> socket.socket:
    """Listen on a port of loopback, 0 for any free one; raises UsageError where it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} can't be used: {error.strerror}; leave --port out for a free one"
        ) from None
    return listener
