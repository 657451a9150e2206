"""Who submitted a batch is on record, nobody approves their own, and small files do not add up unseen."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from local.aws import Aws
from local.batch_client import BatchClient
from local.stack import LocalStack
from tests.e2e.test_command import Terminal

APPROVAL_ABOVE_TOTAL = 1_000_000
"""As the stack of these tests has it (e2e/conftest.py)."""

HALF = APPROVAL_ABOVE_TOTAL // 2 + 1

Keys = tuple[str, str]


class Operator:
    """An operator at a terminal, and the same one as a caller of the API."""

    def __init__(self, stack: LocalStack, keys: Keys, folder: Path) -> None:
        self.terminal = Terminal(stack, folder, keys)
        self.aws: Aws = stack.aws.as_caller(*keys)
        self._api_url = stack.outputs["ApiUrl"]
        self.identity = str(self.aws.client("sts").get_caller_identity()["Arn"])

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Call the API."""
        answer = self.aws.call_api(self._api_url, "POST", path, body)
        return answer.status, json.loads(answer.body)

    def submit(self, **points: int) -> dict[str, Any]:
        """Submit a file, and wait until its batch has ended or waits for approval."""
        file = self.terminal.folder / f"{uuid.uuid4()}.csv"
        rows = [f"{name.replace('_', '-')},{amount},{uuid.uuid4()}" for name, amount in points.items()]
        file.write_text("\n".join(["customerId,amount,reason", *rows, ""]))
        typed = self.terminal.type("submit", file.name, "--wait", "--json")
        batch: dict[str, Any] = json.loads(typed.stdout)
        return batch


@pytest.fixture
def ada(stack: LocalStack, operators: tuple[Keys, Keys], tmp_path: Path) -> Operator:
    """The one who submits."""
    return Operator(stack, operators[0], tmp_path)


@pytest.fixture
def ben(stack: LocalStack, operators: tuple[Keys, Keys], tmp_path: Path) -> Operator:
    """The other one."""
    return Operator(stack, operators[1], tmp_path)


@pytest.mark.usefixtures("customers")
def test_uploader_of_a_file_is_named_and_can_not_approve_it(
    ada: Operator, ben: Operator, batches: BatchClient
) -> None:
    held = ada.submit(player_01=APPROVAL_ABOVE_TOTAL, player_02=1)
    name = held["batchId"]
    assert held["status"] == "awaiting_approval"
    told = held["submittedBy"]
    assert (told["trigger"], told["identity"], told["claimedIdentity"]) == ("drop", "", ada.identity)
    assert f"{ada.identity} (claimed by the file's metadata, not proven)" in " ".join(
        ada.terminal.type("show", name).stdout.split()
    )

    refused = ada.terminal.type("approve", name, "--yes")
    assert (refused.returncode, "another person has to approve it" in refused.stderr) == (3, True)
    assert batches.show(name)["status"] == "awaiting_approval"

    assert ben.terminal.type("approve", name, "--yes").returncode == 0
    ended = batches.wait_until_ended(name)
    assert (ended["status"], ended["approvedBy"]) == ("completed", ben.identity)
    files = batches.result_files(name)
    assert json.loads(files["summary.json"])["submittedBy"] == told
    assert ada.identity.encode() in files["report.html"]


@pytest.mark.usefixtures("customers")
def test_caller_of_the_api_is_proven_and_can_not_approve_the_body(
    ada: Operator, ben: Operator, batches: BatchClient
) -> None:
    rows = [{"customerId": "player-01", "amount": APPROVAL_ABOVE_TOTAL, "reason": str(uuid.uuid4())}]
    rows.append({"customerId": "player-02", "amount": 1, "reason": "one more"})
    status, answer = ada.post("/batch/balance-adjustment", {"body": rows})
    assert status == 202
    path = f"/batches/{answer['batchId']}/approve"
    status, refused = ada.post(path, {})
    assert (status, "you submitted it" in refused["message"]) == (409, True)
    assert ben.post(path, {})[0] == 200
    assert batches.wait_until_ended(answer["batchId"])["status"] == "completed"


@pytest.mark.usefixtures("customers")
def test_small_files_wait_once_they_are_a_large_one_together(
    ada: Operator, ben: Operator, batches: BatchClient
) -> None:
    first, second = ada.submit(player_01=HALF), ada.submit(player_02=HALF)
    assert (first["status"], second["status"]) == ("completed", "awaiting_approval")
    assert "together with the batches of the last 24 hours" in second["heldBy"][0]
    assert ben.submit(player_03=HALF - 3)["status"] == "completed", "there is room for it"
    assert ben.post(f"/batches/{second['batchId']}/approve", {})[0] == 200
    assert batches.wait_until_ended(second["batchId"])["status"] == "completed"
    assert ben.submit(player_04=1)["status"] == "completed", "what was approved does not count"
