"""Uploads into the inbox, by the real S3 client before a server that breaks off."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from cli.errors import ServiceError
from cli.file_upload import file_metadata, upload_file
from cli.stack import Stack


class StackWithBucket(Stack):
    """A stack that nobody has to ask for its bucket, or for who is signed in."""

    bucket = "bucket"
    caller_identity = ""


@pytest.fixture
def puts() -> list[str]:
    return []


@pytest.fixture
def stack(puts: list[str]) -> Iterator[Stack]:
    """A stack whose bucket stores each file, and answers 503 all the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            puts.append(self.path)
            self.send_response(503)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    session = boto3.Session("test", "test", region_name="eu-central-1")
    stack = StackWithBucket(session, "stack", f"http://127.0.0.1:{server.server_port}")
    yield stack
    server.shutdown()
    server.server_close()


def test_an_upload_that_may_be_applied_again_is_tried_once(stack: Stack, puts: list[str]):
    with pytest.raises(ServiceError, match=r"may be in the inbox all the same.*adjust list"):
        upload_file(stack, "spring.csv", io.BytesIO(b"a,1\n"), file_metadata(allow_duplicate=True))
    assert len(puts) == 1
