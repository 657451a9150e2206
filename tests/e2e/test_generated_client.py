"""A client that a generator makes of docs/openapi.yaml calls the deployed API."""

import importlib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local import environment
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient

PACKAGE = "made_client"


class Signature(httpx.Auth):
    """Signs a request as IAM asks for (httpx, "Custom authentication schemes")."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        signed = AWSRequest(request.method, str(request.url), {}, request.content)
        keys = Credentials(environment.ACCESS_KEY, environment.SECRET_KEY)
        SigV4Auth(keys, "execute-api", environment.REGION).add_auth(signed)
        request.headers.update(dict(signed.headers.items()))
        yield request


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the generated package, importable."""
    folder = tmp_path_factory.mktemp("client")
    command = [
        *(str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--fail-on-warning"),
        *("--path", str(environment.ROOT / "docs/openapi.yaml"), "--meta", "none"),
        *("--output-path", str(folder / PACKAGE)),
    ]
    path = {"PATH": environment.search_path(), "HOME": str(folder)}  # it formats what it makes with ruff
    done = subprocess.run(command, env=path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def client(made: Path, stack: LocalStack) -> Any:
    """The generated client, with a signature."""
    return importlib.import_module(PACKAGE).Client(
        base_url=stack.aws.local_api_url(stack.outputs["ApiUrl"]),
        verify_ssl=ssl.create_default_context(cafile=str(stack.aws.ca_bundle)),
        httpx_args={"auth": Signature()},
        timeout=httpx.Timeout(60),
        raise_on_unexpected_status=True,
    )


def api(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.api.{name}")


def test_a_generated_client_sends_a_batch_and_reads_its_rows(
    client: Any, customers: dict[str, Decimal], standin: StandInClient
) -> None:
    models = importlib.import_module(f"{PACKAGE}.models")
    body = models.Adjustments.from_dict(
        {"body": [{"customerId": "player-01", "amount": 17, "reason": "generated"}]}
    )
    sent = api("batches.add_batch").sync(client=client, body=body)
    assert (type(sent).__name__, sent.counts.accepted) == ("AcceptedBatch", 1)

    def ended() -> Any:
        batch = api("batches.show_batch").sync(sent.batch_id, client=client)
        return batch if batch.finished_at else None

    assert wait_for(ended, 60, "the end of the batch").status.value == "completed"
    page = api("batches.list_rows").sync(sent.batch_id, client=client, status=models.RowStatus.APPLIED)
    assert [(row.customer_id, row.amount) for row in page.rows] == [("player-01", "17")]
    assert (page.is_complete, page.known_rows, page.total_rows) == (True, 1, 1)
    listed = api("batches.list_batches").sync(client=client, limit=1)
    assert [batch.batch_id for batch in listed.batches] == [sent.batch_id]
    assert [entry["customerId"] for entry in standin.audit()["applied"]] == ["player-01"]


def test_a_generated_client_adds_a_transaction_and_reads_errors(
    client: Any, customers: dict[str, Decimal]
) -> None:
    models = importlib.import_module(f"{PACKAGE}.models")
    fields = {
        "customerId": "player-01",
        "transactionId": "made-1",
        "username": "u",
        "reason": "r",
        "points": 5,
    }
    added = api("transactions.add_manual_transaction").sync(
        client=client, body=models.ManualTransaction.from_dict(fields)
    )
    assert (type(added).__name__, added.points) == ("ManualTransactionAnswer", 5)
    found = api("transactions.show_transaction").sync("made-1", client=client)
    assert (found.status.value, found.answer.transaction_id) == ("applied", "made-1")
    missing = api("batches.show_batch").sync("20260101-000000-none-0123456789ab", client=client)
    assert (missing.error, missing.error_code) == (404, models.ErrorCode.NOT_FOUND)
