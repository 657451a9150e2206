"""The installed command `adjust` against the deployed stack, as an operator types it."""

import csv
import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from local import places
from local.aws import ACCESS_KEY, SECRET_KEY
from local.gameball import StandInDoor
from local.stack import LocalStack

Done = subprocess.CompletedProcess[str]


class Terminal:
    """Runs the command in a folder of its own, with the environment that `make up` tells people to set."""

    def __init__(self, stack: LocalStack, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": stack.aws.endpoint,
            "AWS_DEFAULT_REGION": stack.aws.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CA_BUNDLE": str(stack.aws.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def type(self, *arguments: str) -> Done:
        """Run `adjust` with arguments, and hand back what it printed and its exit code."""
        return subprocess.run(
            [places.TOOLS / "adjust", *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


@pytest.fixture
def terminal(stack: LocalStack, tmp_path: Path) -> Terminal:
    return Terminal(stack, tmp_path)


def test_a_file_goes_from_the_terminal_to_its_results(
    terminal: Terminal, customers: dict[str, Decimal]
) -> None:
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


def test_a_dry_run_sends_nothing(
    terminal: Terminal, standin: StandInDoor, customers: dict[str, Decimal]
) -> None:
    (terminal.folder / "dry.csv").write_text("customerId,amount\nplayer-01,5\n")

    checked = terminal.type("submit", "dry.csv", "--dry-run", "--wait")

    assert checked.returncode == 0, checked.stderr
    assert "validated" in checked.stdout
    assert "\x1b" not in checked.stdout
    assert standin.audit()["applied"] == []


def test_one_transaction_is_added_once_however_often_it_is_typed(
    terminal: Terminal, standin: StandInDoor, customers: dict[str, Decimal]
) -> None:
    words = ("--customer", "player-03", "--points", "7", "--reason", "goodwill", "--username", "ada")

    first = terminal.type("transact", *words, "--id", "cli-1")
    again = terminal.type("transact", *words, "--id", "cli-1")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert [entry["transactionId"] for entry in standin.audit()["applied"]] == ["cli-1"]


def test_an_unknown_batch_is_refused_in_words(terminal: Terminal) -> None:
    shown = terminal.type("show", "20200101-000000-none-000000000000")

    assert shown.returncode == 3
    assert shown.stderr.startswith("adjust: ")
    assert "Traceback" not in shown.stderr
