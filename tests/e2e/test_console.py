"""`adjust console` before the deployed stack, in a real browser: from the dropped file to the points."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page

from local import environment
from local.stack import LocalStack
from local.standin_client import StandInClient
from tests.fakes.browser import running_chromium

_DROP = """([name, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, {type: "text/csv"}));
  for (const kind of ["dragover", "drop"]) {
    document.body.dispatchEvent(
      new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  }
}"""
_WITHIN_MS = 60_000


class Console:
    """The command, as an operator starts it.

    Args:
        stack: the deployed stack.
        keys: access key and secret key of the operator.
        home: a folder that should stay empty.
    """

    def __init__(self, stack: LocalStack, keys: tuple[str, str], home: Path) -> None:
        self.home = home
        home.mkdir()
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "AWS_ENDPOINT_URL": stack.aws.endpoint,
            "AWS_DEFAULT_REGION": stack.aws.region,
            "AWS_ACCESS_KEY_ID": keys[0],
            "AWS_SECRET_ACCESS_KEY": keys[1],
            "AWS_CA_BUNDLE": str(stack.aws.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [sys.executable, "-m", "cli.main", "console"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=environment.ROOT, env=variables, stdout=pipe, stderr=pipe, text=True
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().split()[-1]

    def end(self) -> None:
        """Press Ctrl-C, and see that nothing stays behind."""
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=20)
        assert (self._process.returncode, said) == (0, "the console has ended; batches continue\n")
        assert list(self.home.iterdir()) == []

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def consoles(
    stack: LocalStack, operators: tuple[tuple[str, str], tuple[str, str]], tmp_path: Path
) -> Iterator[tuple[Console, Console]]:
    """The consoles of two operators, since nobody approves a batch of their own."""
    one, other = (Console(stack, keys, tmp_path / keys[0]) for keys in operators)
    yield one, other
    one.kill()
    other.kill()


@pytest.fixture
def page() -> Iterator[Page]:
    with running_chromium() as browser:
        if browser is None:
            pytest.skip("no Chromium is installed here; local/install_chromium.sh does it")
        yield browser.new_page()


def wait_for_status(page: Page, status: str) -> None:
    page.locator("#state .status", has_text=re.compile(f"^{status}$")).wait_for(timeout=_WITHIN_MS)


def test_a_dropped_file_is_checked_applied_and_approved(
    consoles: tuple[Console, Console], page: Page, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    ada, ben = consoles
    page.goto(ada.address)
    page.get_by_role("heading", name="Batches", exact=True).wait_for()

    rows = ["player-01,600000,drop", "player-02,700000,drop", "nobody,1,drop", "player-03,many,drop"]
    page.evaluate(_DROP, ["dropped.csv", "\n".join(["customerId,amount,reason", *rows, ""])])
    wait_for_status(page, "validated")
    page.get_by_text("Gameball does not know this customer").wait_for()
    assert "2 would be applied" in " ".join(page.locator(".tiles").inner_text().split())
    assert page.get_by_text("+1,300,000", exact=True).is_visible()
    assert standin.audit()["applied"] == []

    page.get_by_role("link", name="Apply this file").click()
    page.get_by_role("button", name=re.compile("^Apply this file to")).click()
    wait_for_status(page, "awaiting approval")
    assert standin.audit()["applied"] == []

    page.get_by_role("link", name="Approve").click()
    assert page.get_by_text("+1,300,001 requested").is_visible()
    send = page.get_by_role("button", name=re.compile("^Send these adjustments to"))
    send.click()
    page.get_by_role("heading", name="Not done").wait_for()
    assert standin.audit()["applied"] == []

    page.goto(ben.address)
    page.get_by_role("row", name="awaiting approval").get_by_role("link", name="dropped.csv").click()
    page.get_by_role("link", name="Approve").click()
    send.click()
    wait_for_status(page, "completed with errors")
    assert sorted(str(entry["amount"]) for entry in standin.audit()["applied"]) == ["600000", "700000"]

    with page.expect_download() as download:
        page.get_by_role("link", name="fix-me.csv").click()
    assert "nobody,1,drop" in Path(download.value.path()).read_text()
    with page.expect_popup() as report:
        page.get_by_role("link", name="report.html").click()
    assert "2 of 4 rows were not applied" in report.value.get_by_role("heading", level=1).inner_text()

    ada.end()
    ben.end()
