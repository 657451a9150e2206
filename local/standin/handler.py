"""One connection: reads each request, answers it, and applies the fault that was requested for it."""

import io
import select
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.standin.admin_api import PREFIX
from local.standin.admission import Admission, Request, admit
from local.standin.faults import Fault
from local.standin.responses import SERVER_TROUBLE, TOO_LARGE, Answer, coded_error, ok, plain_error

if TYPE_CHECKING:
    from local.standin.server import LoopbackServer

BODY_BYTES_MAX = 10 * 1024 * 1024
# A body that is too large is still read, up to this size, so that the client can read the 413 instead of
# failing with a broken pipe.
DRAINED_BYTES_MAX = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive. Requests are logged by the account; nothing is printed."""

    protocol_version = "HTTP/1.1"
    server_version = "gameball-standin"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = _READ_BYTES
    server: "LoopbackServer"

    def _serve(self) -> None:
        """Answer one request; where the client disconnects meanwhile, close the connection."""
        try:
            self._serve_one()
        except OSError:
            self.close_connection = True
        except Exception:  # a defect of the stand-in: printed here, without details in the answer
            traceback.print_exc(file=sys.stderr)
            self.close_connection = True
            self._send(coded_error(SERVER_TROUBLE, "The stand-in failed"))

    # The base class calls handlers by these names.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def _serve_one(self) -> None:
        body = self._read_body()
        if isinstance(body, Answer):
            self._send(body)
            return
        try:
            target = urlsplit(self.path)
        except ValueError:
            self._send(plain_error(400, "The address is not valid"))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, target.path, target.query, headers, body)
        if request.path.startswith(PREFIX):
            self._send(self.server.admin_api.answer(request))
        else:
            self._serve_api(request)

    def _read_body(self) -> bytes | Answer:
        """The whole body, or the error for a body that can't be read."""
        lengths = self.headers.get_all("Content-Length", [])
        if self.headers.get("Transfer-Encoding") is not None:
            self.close_connection = True
            return plain_error(411, "Send a Content-Length")
        if not lengths:
            return b""
        if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            self.close_connection = True
            return plain_error(400, "The Content-Length can't be read")
        return self._read_exactly(int(lengths[0]))

    def _read_exactly(self, length_bytes: int) -> bytes | Answer:
        if length_bytes > BODY_BYTES_MAX:
            self._drain(length_bytes)
            return coded_error(TOO_LARGE, "The body is too large")
        body = self.rfile.read(length_bytes)
        if len(body) < length_bytes:
            raise ConnectionResetError("the client disconnected before the end of the body")
        return body

    def _drain(self, length_bytes: int) -> None:
        left_bytes = min(length_bytes, DRAINED_BYTES_MAX)
        while left_bytes > 0 and (block := self.rfile.read(min(left_bytes, _READ_BYTES))):
            left_bytes -= len(block)
        self.close_connection = self.close_connection or length_bytes > DRAINED_BYTES_MAX

    def _serve_api(self, request: Request) -> None:
        self._pause(self.server.account.settings.latency_s)
        admission = admit(self.server.account, request)
        if admission.answer is not None:
            self._deliver(admission, admission.answer)
        elif admission.fault is None:
            self._deliver(admission, self.server.api.answer(request))
        else:
            _DELIVERIES[admission.fault.kind](self, request, admission, admission.fault)

    def _deliver(self, admission: Admission, answer: Answer) -> None:
        # Logged before the client gets it, so that a test can read the log at once.
        admission.logged.status = answer.status
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        if answer.blocks is not None:
            self._send_blocks(answer, answer.blocks)
            return
        self._send_head(answer, ("Content-Length", str(len(answer.body))))
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _send_head(self, answer: Answer, framing: tuple[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), framing, *answer.headers):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_blocks(self, answer: Answer, blocks: Iterator[bytes]) -> None:
        if self.request_version != "HTTP/1.1":
            self._send(Answer(answer.status, b"".join(blocks), answer.content_type, answer.headers))
            return
        self._send_head(answer, ("Transfer-Encoding", "chunked"))
        for block in blocks:
            if block:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _answer_with_status(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._deliver(admission, fault.error())

    def _reset_before(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._reset()

    def _reset_after(self, request: Request, admission: Admission, fault: Fault) -> None:
        self.server.api.answer(request, fault)
        self._reset()

    def _never_answer(self, request: Request, admission: Admission, fault: Fault) -> None:
        if fault.applied:
            self.server.api.answer(request, fault)
        self._hold(fault.hold_s)
        self.close_connection = True

    def _answer_half(self, request: Request, admission: Admission, fault: Fault) -> None:
        answer = self.server.api.answer(request, fault)
        self._send_head(answer, ("Content-Length", str(len(answer.body))))
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.close_connection = True

    def _answer_html(self, request: Request, admission: Admission, fault: Fault) -> None:
        page = Answer(200, b"<html><body>Welcome</body></html>", content_type="text/html; charset=utf-8")
        self._answer_instead(request, admission, fault, page)

    def _answer_without_job_id(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._answer_instead(request, admission, fault, ok({}))

    def _answer_error_after(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._answer_instead(request, admission, fault, fault.error())

    def _answer_instead(
        self, request: Request, admission: Admission, fault: Fault, replacement: Answer
    ) -> None:
        """Replace the answer of a success; a refusal is passed on, since nothing was applied."""
        answer = self.server.api.answer(request, fault)
        self._deliver(admission, replacement if answer.status == 200 else answer)

    def _answer_late(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._pause(fault.delay_s)
        self._deliver(admission, self.server.api.answer(request, fault))

    def _answer_drop_by_drop(self, request: Request, admission: Admission, fault: Fault) -> None:
        """Send a byte at a time from the given part of the answer on, as long as the client waits."""
        answer = self.server.api.answer(request, fault)
        body = answer.body if answer.blocks is None else b"".join(answer.blocks)
        admission.logged.status = answer.status
        wire, self.wfile = self.wfile, io.BytesIO()
        try:
            self._send_head(answer, ("Content-Length", str(len(body))))
            head = self.wfile.getvalue()
        finally:
            self.wfile = wire
        whole = len(head) if fault.part == "body" else 0
        drops = (head + body)[whole:]
        self.wfile.write(head[:whole])
        self.wfile.flush()
        for drop in drops:
            self._pause(fault.delay_s)
            self.wfile.write(bytes([drop]))
            self.wfile.flush()

    def _close_after(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._deliver(admission, self.server.api.answer(request, fault))
        self.close_connection = True

    def _apply_late(self, request: Request, admission: Admission, fault: Fault) -> None:
        if fault.status is None:
            self._reset_after(request, admission, fault)
        else:
            self._answer_error_after(request, admission, fault)

    def _answer_as_usual(self, request: Request, admission: Admission, fault: Fault) -> None:
        self._deliver(admission, self.server.api.answer(request, fault))

    def _reset(self) -> None:
        """Close with RST, without an orderly shutdown."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.connection.close()

    def _pause(self, delay_s: Decimal) -> None:
        """Wait, or until the server stops."""
        if delay_s > 0:
            self.server.stopping.wait(float(delay_s))

    def _hold(self, hold_s: Decimal) -> None:
        """Wait until the time is over, the client has disconnected, or the server stops."""
        readable, _, _ = select.select([self.connection], [], [], float(hold_s))
        if readable and self.connection.recv(1, socket.MSG_PEEK):
            self._pause(hold_s)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses, such as an invalid request line, in the plain error format."""
        self.close_connection = True
        self._send(plain_error(code, HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing; the account logs requests."""


_Delivery = Callable[[Handler, Request, Admission, Fault], None]
_DELIVERIES: Mapping[str, _Delivery] = MappingProxyType(
    {
        "status": Handler._answer_with_status,
        "reset_before": Handler._reset_before,
        "reset_after": Handler._reset_after,
        "black_hole": Handler._never_answer,
        "half_answer": Handler._answer_half,
        "not_json": Handler._answer_html,
        "no_job_id": Handler._answer_without_job_id,
        "status_after": Handler._answer_error_after,
        "delay": Handler._answer_late,
        "drip": Handler._answer_drop_by_drop,
        "close_after": Handler._close_after,
        "apply_late": Handler._apply_late,
        "job_state": Handler._answer_as_usual,
        "unlisted_rows": Handler._answer_as_usual,
    }
)
