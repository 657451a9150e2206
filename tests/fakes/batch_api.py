"""The batch API for tests of the command: real HTTP on loopback, with answers that the test sets."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3

from adjustments.core import __version__
from cli.stack import leads_to

Answer = tuple[int, Any]


class FakeBatchApi:
    """Returns the answers set for "METHOD /path" in turn and repeats the last; 404 for other calls."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/live"
        self.calls: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lengths: dict[str, str] = {}
        """What the answer to a call says of its length, where that is not true; empty for nothing."""
        self.encodings: dict[str, str] = {}
        """What the answer to a call says of its encoding."""
        self._answers: dict[str, list[Answer]] = defaultdict(list)

    def answer(self, call: str, *answers: Answer) -> None:
        """Set the answers to a call; bytes are sent as they are, anything else as JSON."""
        self._answers[call] = list(answers)

    def link(self, batch_id: str, name: str) -> str:
        """A link to a result file in the bucket; what it leads to is an answer as well."""
        return f"{self.url.removesuffix('/live')}/bucket/results/{batch_id}/{name}"

    def handle(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        path = target.removeprefix("/live")
        self.calls.append((method, path, json.loads(body) if body else None))
        self.headers.append(headers)
        scripted = self._answers.get(f"{method} {path}") or [
            (404, {"error": 404, "message": "no such batch"})
        ]
        status, fields = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        return status, fields if isinstance(fields, bytes) else json.dumps(fields).encode()


@contextmanager
def serving() -> Iterator[FakeBatchApi]:
    """Serve for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._do("GET")

        def do_POST(self) -> None:
            self._do("POST")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

        def _do(self, method: str) -> None:
            request = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = api.handle(method, self.path, request, dict(self.headers.items()))
            self.send_response(status)
            call = f"{self.command} {self.path.removeprefix('/live')}"
            if length := api.lengths.get(call, str(len(answer))):
                self.send_header("content-length", length)
            if call in api.encodings:
                self.send_header("content-encoding", api.encodings[call])
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api = FakeBatchApi(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield api
    server.shutdown()
    server.server_close()


class _Body:
    """The body of an object, read block by block."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def iter_chunks(self, chunk_size: int) -> Iterator[bytes]:
        for start in range(0, len(self._content), chunk_size):
            yield self._content[start : start + chunk_size]


class FakeBucket:
    """The calls to S3 that submitting a file needs, and the one that reads its version again."""

    def __init__(self) -> None:
        self.puts: list[dict[str, Any]] = []
        self.stored: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}
        self.modified_at = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)

    def put_object(self, **fields: Any) -> dict[str, Any]:
        self.puts.append({**fields, "Body": fields["Body"].read()})
        return {"VersionId": "v7"}

    def head_object(self, **fields: Any) -> dict[str, Any]:
        return {"LastModified": self.modified_at, "VersionId": fields["VersionId"]}

    def get_object(self, **fields: Any) -> dict[str, Any]:
        content, metadata = self.stored[fields["Key"], fields["VersionId"]]
        return {"Body": _Body(content), "Metadata": metadata}


class FakeStack:
    """A deployed stack whose API is the fake one."""

    def __init__(self, api_url: str) -> None:
        self.api_url = api_url
        self.name = "gameball-adjustments-test"
        self.status = "UPDATE_COMPLETE"
        self.outputs = {"Version": __version__}
        self.parameters = {"MaxManualAmount": "1000"}
        self.endpoint: str | None = api_url.removesuffix("/live")
        self.bucket = "bucket"
        self.region = "eu-central-1"
        self.caller_identity = "arn:aws:sts::111122223333:assumed-role/Operations/ada@shop.example"
        self.ca_bundle: str | None = None
        self.s3 = self.s3_without_retries = FakeBucket()
        self.session = boto3.Session("test", "test", region_name=self.region)

    def is_link_to(self, url: str, key: str) -> bool:
        return leads_to(url, key, bucket=self.bucket, region=self.region, endpoint=self.endpoint)
