"""The installed command `adjust` against the deployed stack, as an operator types it."""

import csv
import json
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local import environment
from local.aws import Aws
from local.environment import ACCESS_KEY, SECRET_KEY
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient
from tests.contract.test_notifications import make_queue

Done = subprocess.CompletedProcess[str]


class Terminal:
    """Runs the command in a folder of its own, with the environment that `make up` tells people to set.

    Args:
        keys: the access key and the secret key of who types; the root account's by default.
    """

    def __init__(
        self, stack: LocalStack, folder: Path, keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY)
    ) -> None:
        self.folder = folder
        self._environment = {**stack.command_environment(keys), "HOME": str(folder)}

    def type(self, *arguments: str) -> Done:
        """Run `adjust` with arguments, and hand back what it printed and its exit code."""
        return subprocess.run(
            [environment.TOOLS / "adjust", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def batch(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """Run a command with --json, and hand back what it told."""
        done = self.type(*arguments, "--json")
        assert done.returncode == exit_code, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


class Heard:
    """What people and programs were told, through queues behind the topic and the bus."""

    def __init__(self, aws: Aws, queue_url: str) -> None:
        self._aws = aws
        self._queue_url = queue_url
        self._told: list[tuple[str, str]] = []

    def of(self, batch_id: str) -> list[str]:
        """All that was told of a batch that has ended, in order; waits for the last event."""

        def is_told() -> bool:
            answer = self._aws.sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                self._told.append(_read(json.loads(message["Body"])))
                self._aws.sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            mine = [fact for fact, name in self._told if name == batch_id]
            ends = {fact.removeprefix("mail: ").replace(" ", "_") for fact in mine if fact.startswith("mail")}
            return all(f"event: {end}" in mine for end in ends - {"awaiting_approval"}) and bool(mine)

        wait_for(is_told, 20, f"what is told of {batch_id}")
        return [fact for fact, name in self._told if name == batch_id]


def _read(message: dict[str, Any]) -> tuple[str, str]:
    """What a message of the topic or the bus tells, and of which batch; an event is as it is documented."""
    if "Subject" in message:
        fact, _, name = message["Subject"].partition(": ")
        assert name in message["Message"]
        return f"mail: {fact}", name
    file = message["detail-type"].lower().replace(" ", "-")
    schema = json.loads((environment.ROOT / f"docs/events/{file}.json").read_bytes())
    Draft202012Validator(schema).validate(message)
    return f"event: {message['detail']['status']}", message["detail"]["batchId"]


@pytest.fixture(scope="session")
def heard(running_stack: LocalStack) -> Heard:
    aws, outputs = running_stack.aws, running_stack.outputs
    url, arn = make_queue(aws, "heard")
    aws.sns.subscribe(TopicArn=outputs["TopicArn"], Protocol="sqs", Endpoint=arn)
    pattern = json.dumps({"source": ["gameball.adjustments"], "detail-type": [{"prefix": "Batch"}]})
    bus = outputs["EventBusName"]
    aws.events.put_rule(Name="heard", EventBusName=bus, EventPattern=pattern)
    aws.events.put_targets(Rule="heard", EventBusName=bus, Targets=[{"Id": "q", "Arn": arn}])
    return Heard(aws, url)


@pytest.fixture
def terminal(stack: LocalStack, tmp_path: Path) -> Terminal:
    return Terminal(stack, tmp_path)


@pytest.fixture
def colleague(stack: LocalStack, operators: Sequence[tuple[str, str]], tmp_path: Path) -> Terminal:
    """The terminal of somebody else, who may approve what the first one submits."""
    return Terminal(stack, tmp_path, operators[0])


def test_submit_wait_leads_to_results(terminal: Terminal, customers: dict[str, Decimal]) -> None:
    rows = [f"player-{number:02},{number},filler" for number in range(1, 21)]
    text = "\n".join(["customerId,amount,reason", *rows, "player-01,many,bad", ""])
    (terminal.folder / "terminal.csv").write_text(text)

    submitted = terminal.type("submit", "terminal.csv", "--wait", "--json")
    assert submitted.returncode == 1, submitted.stderr
    batch = json.loads(submitted.stdout)
    assert (batch["status"], batch["counts"]["applied"]) == ("completed_with_errors", 20)

    shown = terminal.type("show", batch["batchId"])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "20 applied, 1 rejected" in shown.stdout
    assert "fix-me.csv" in shown.stdout

    listed = terminal.type("list", "--status", "completed_with_errors")
    assert batch["batchId"] in listed.stdout

    fetched = terminal.type("results", batch["batchId"], "--to", "out")
    assert fetched.returncode == 0, fetched.stderr
    names = {path.name for path in (terminal.folder / "out").iterdir()}
    assert names == {"results.csv", "fix-me.csv", "summary.json", "report.html"}
    with (terminal.folder / "out" / "results.csv").open(newline="") as results:
        assert [row["status"] for row in csv.DictReader(results)] == ["applied"] * 20 + ["rejected"]
    assert "<!doctype html>" in (terminal.folder / "out" / "report.html").read_text()

    stopped = terminal.type("stop", batch["batchId"])
    assert (stopped.returncode, stopped.stdout) == (3, "")
    assert "completed_with_errors" in stopped.stderr

    made = terminal.type("reverse", batch["batchId"], "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["rows"] == 20
    with (terminal.folder / json.loads(made.stdout)["file"]).open(newline="") as reversal:
        negated = {row["customerId"]: int(row["amount"]) for row in csv.DictReader(reversal)}
    assert negated == {f"player-{number:02}": -number for number in range(1, 21)}


def test_dry_run_sends_nothing(
    terminal: Terminal, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    (terminal.folder / "dry.csv").write_text("customerId,amount\nplayer-01,5\n")

    checked = terminal.type("submit", "dry.csv", "--dry-run", "--wait")

    assert checked.returncode == 0, checked.stderr
    assert "validated" in checked.stdout
    assert "\x1b" not in checked.stdout
    assert standin.audit()["applied"] == []


def test_transact_with_the_same_id_is_applied_once(
    terminal: Terminal, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    words = ("--customer", "player-03", "--points", "7", "--reason", "goodwill", "--username", "ada")

    first = terminal.type("transact", *words, "--id", "cli-1")
    again = terminal.type("transact", *words, "--id", "cli-1")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert [entry["transactionId"] for entry in standin.audit()["applied"]] == ["cli-1"]


def test_dry_run_exits_with_1_where_rows_would_fail(
    terminal: Terminal, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    (terminal.folder / "dry-bad.csv").write_text("customerId,amount\nplayer-01,5\nplayer-02,-500\nnobody,1\n")

    checked = terminal.type("submit", "dry-bad.csv", "--dry-run", "--wait")

    assert checked.returncode == 1, checked.stderr
    assert "1 would be applied, 1 would overdraw, 1 unknown to Gameball" in checked.stdout
    assert standin.audit()["applied"] == []


def test_held_batch_is_approved_watched_and_reversed_once(
    terminal: Terminal,
    colleague: Terminal,
    standin: StandInClient,
    heard: Heard,
    customers: dict[str, Decimal],
) -> None:
    (terminal.folder / "large.csv").write_text("customerId,amount\nplayer-01,600000\nplayer-02,700000\n")

    held = terminal.batch("submit", "large.csv", "--wait", exit_code=1)
    name = held["batchId"]
    assert held["status"] == "awaiting_approval"
    assert "ApprovalAboveTotal" in held["heldBy"][0]
    assert name in terminal.type("list", "--status", "awaiting_approval").stdout
    assert "awaiting_approval" in terminal.type("reverse", name).stderr
    assert colleague.type("approve", name).returncode == 2
    assert standin.audit()["applied"] == []

    approved = colleague.type("approve", name, "--yes")
    assert approved.returncode == 0, approved.stderr
    assert "+1,300,000 requested" in approved.stdout
    watched = terminal.batch("watch", name)
    assert (watched["status"], watched["counts"]["applied"]) == ("completed", 2)
    assert watched["approvedBy"].startswith("arn:aws:")
    assert colleague.type("approve", name, "--yes").returncode == 3

    made = terminal.type("reverse", name)
    assert made.returncode == 0, made.stderr
    [file] = terminal.folder.glob("reversal-*.csv")
    held = terminal.batch("submit", file.name, "--wait", exit_code=1)
    assert (held["status"], held["reverses"]) == ("awaiting_approval", name)
    colleague.type("approve", held["batchId"], "--yes")
    assert terminal.batch("watch", held["batchId"])["status"] == "completed"
    assert sorted(str(entry["amount"]) for entry in standin.audit()["applied"]) == [
        "-600000",
        "-700000",
        "600000",
        "700000",
    ]

    refused = terminal.type("reverse", name, "--overwrite")
    assert (refused.returncode, held["batchId"] in refused.stderr) == (3, True)
    again = terminal.batch("submit", file.name, "--allow-duplicate", "--wait", exit_code=1)
    assert (again["status"], held["batchId"] in again["message"]) == ("rejected", True)
    assert f"by {held['batchId']}" in terminal.type("show", name).stdout

    assert heard.of(name) == ["mail: awaiting approval", "mail: completed", "event: completed"]


def test_rows_in_doubt_are_resolved_and_only_applied_rows_are_reversed(
    terminal: Terminal, standin: StandInClient, heard: Heard, customers: dict[str, Decimal]
) -> None:
    standin.add_fault({"kind": "reset_after", "method": "POST", "path": "batch/balance-adjustment"})
    (terminal.folder / "lost.csv").write_text(
        "customerId,amount,reason\nplayer-01,5,lost\nplayer-02,7,lost\nplayer-03,9,lost\n"
    )

    lost = terminal.batch("submit", "lost.csv", "--wait", exit_code=1)
    name = lost["batchId"]
    assert (lost["status"], lost["counts"]["inDoubt"]) == ("needs_attention", 3)
    assert "do not submit the rows in doubt again" in terminal.type("show", name).stdout
    assert terminal.type("resolve", name, "applied", "--note", "looked").returncode == 2
    assert (
        terminal.type("resolve", name, "applied", "--line", "9", "--note", "looked", "--yes").returncode == 3
    )

    some = terminal.batch("resolve", name, "applied", "--line", "2", "--line", "4", "--note", "in the list")
    assert (some["status"], some["rows"]) == ("needs_attention", 2)
    rest = terminal.batch("resolve", name, "not-applied", "--note", "not in the list", "--yes")
    assert (rest["status"], rest["rows"]) == ("completed_with_errors", 1)
    assert terminal.type("resolve", name, "applied", "--note", "looked", "--yes").returncode == 3

    shown = terminal.batch("show", name)
    assert [(done["note"], done["rows"]) for done in shown["resolutions"]] == [
        ("in the list", 2),
        ("not in the list", 1),
    ]
    assert all(done["by"].startswith("arn:aws:") for done in shown["resolutions"])
    assert terminal.type("results", name, "--to", "out").returncode == 0
    with (terminal.folder / "out" / "results.csv").open(newline="") as results:
        rows = list(csv.DictReader(results))
    assert [row["status"] for row in rows] == ["applied", "failed", "applied"]
    assert "not in the list" in rows[1]["message"]

    made = terminal.batch("reverse", name)
    with (terminal.folder / made["file"]).open(newline="") as reversal:
        negated = [(row["customerId"], row["amount"]) for row in csv.DictReader(reversal)]
    assert negated == [("player-01", "-5"), ("player-03", "-9")]

    assert heard.of(name) == [
        "mail: needs attention",
        "event: needs_attention",
        "mail: completed with errors",
        "event: completed_with_errors",
    ]


def test_stop_of_a_batch_under_way(
    terminal: Terminal, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.change_settings({"job_delay_s": 30})
    (terminal.folder / "slow.csv").write_text("customerId,amount\nplayer-04,17\nplayer-05,19\n")
    name = terminal.batch("submit", "slow.csv")["batchId"]
    wait_for(lambda: terminal.type("show", name).returncode == 0, 30, "the batch")

    stopped = terminal.type("stop", name, "--note", "wrong month", "--yes")
    assert stopped.returncode == 0, stopped.stderr
    ended = terminal.batch("watch", name, exit_code=1)
    # Gameball lists no row of a job that was stopped, so nobody knows whether it had begun.
    assert (ended["status"], ended["counts"]["inDoubt"]) == ("needs_attention", 2)
    assert "wrong month" in ended["message"]
    assert standin.audit()["applied"] == []


def test_show_of_an_unknown_batch_is_refused(terminal: Terminal) -> None:
    shown = terminal.type("show", "20200101-000000-none-000000000000")

    assert shown.returncode == 3
    assert shown.stderr.startswith("adjust: ")
    assert "Traceback" not in shown.stderr
