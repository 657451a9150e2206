"""Who may use the page: whoever has its address, in a browser that came to it directly.

Other programs and people on this machine can reach the port, and so can any website that the browser shows.
The token in the address keeps out the former; the checks of Host and Origin the latter, also one whose name
resolves to this machine (DNS rebinding).
"""

import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST: Final = "127.0.0.1"
TOKEN_FIELD: Final = "token"  # noqa: S105 - the name of a field
_SECRET_BYTES: Final = 32
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing comes from elsewhere, and no page has a script or style in it."""

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Not "no-referrer": with that, browsers send no Origin with a form either.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer, unless it sets its own."""

_WELCOME: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Opening the console</title>'
    '<meta http-equiv="refresh" content="0;url=/"></head><body><p><a href="/">Open the console</a></p>'
    "</body></html>"
)
"""A redirect would be part of the navigation that led here, maybe from another site's link, and browsers send
no SameSite=Strict cookie in that. From this page they do.
"""

_NO_SESSION: Final = (
    "Open the whole address that `adjust console` has printed, with its token. "
    "It changes each time the command starts.\n"
)


class Access:
    """The secrets of one run of the console, and the addresses at which it answers.

    Args:
        port: the port on loopback.
    """

    def __init__(self, port: int) -> None:
        self._token = secrets.token_urlsafe(_SECRET_BYTES)
        self._session = secrets.token_urlsafe(_SECRET_BYTES)
        # Browsers share cookies between the ports of a host: each console has its own.
        self._cookie = f"adjust-console-{port}"
        self._port = port
        self.hosts: Final = frozenset({f"{HOST}:{port}", f"localhost:{port}"})

    @property
    def address(self) -> str:
        """The address with the token, for the operator."""
        return f"http://{HOST}:{self._port}/?{TOKEN_FIELD}={self._token}"

    @property
    def set_cookie(self) -> str:
        """The header that gives a browser the session."""
        return f"{self._cookie}={self._session}; HttpOnly; SameSite=Strict; Path=/"

    def has_token(self, query: bytes) -> bool:
        """Whether the query of an address has the token."""
        given = parse_qs(query.decode("latin-1")).get(TOKEN_FIELD, [""])[-1]
        return secrets.compare_digest(given.encode(), self._token.encode())

    def has_session(self, cookies: str) -> bool:
        """Whether a Cookie header has the session."""
        given = cookie_parser(cookies).get(self._cookie, "")
        return secrets.compare_digest(given.encode(), self._session.encode())


class Gate:
    """Lets requests of the operator's browser through to the pages, and gives every answer its headers.

    Args:
        app: the pages.
        access: who may use them.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer_of(scope) or self._app
        await answer(scope, receive, send_with_headers)

    def _answer_of(self, scope: Scope) -> Response | None:
        """The answer to a request that does not reach the pages."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if host not in self._access.hosts:
            return _refusal(f"This page is not at {host!r}. {_NO_SESSION}", 421)
        if scope["method"] not in _SAFE_METHODS and headers.get("origin") != f"http://{host}":
            return _refusal("This request comes from another page; nothing was done.\n", 403)
        if scope["path"] == "/" and self._access.has_token(scope["query_string"]):
            return HTMLResponse(_WELCOME, headers={"set-cookie": self._access.set_cookie})
        if not self._access.has_session(headers.get("cookie", "")):
            return _refusal(_NO_SESSION, 403)
        return None


def _refusal(text: str, status: int) -> Response:
    return PlainTextResponse(text, status)
