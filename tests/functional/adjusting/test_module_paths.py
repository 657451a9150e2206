"""docs/architecture.md lists the modules that a row and a transaction pass, in order, as they really do."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from local.standin.server import StandIn
from tests.fakes.world import World
from tests.functional.adjusting import test_handlers, test_manual
from tests.functional.adjusting.test_handlers import CONTEXT, dropped
from tests.functional.adjusting.test_manual import BODY, Desk

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers/adjustments/adjustments"
DOCUMENT = ROOT / "docs/architecture.md"

BESIDE = re.compile(
    r"core/|(bootstrap|ports)\.py|aws/(event_log|function_log|health|metrics)\.py|batches/batch_metrics\.py"
    r"|results/report_html/"
)
"""What stands beside the paths: what every module uses, logs, metrics, health checks, and the report page."""

world = test_handlers.world  # the fixtures
desk = test_manual.desk


@contextmanager
def traced() -> Iterator[list[str]]:
    """Note the modules whose functions are called, in the order of their first call."""
    passed: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = _name_of(frame.f_code.co_filename) if event == "call" else ""
        if name and name not in passed and not BESIDE.match(name):
            passed.append(name)

    sys.setprofile(note)
    try:
        yield passed
    finally:
        sys.setprofile(None)


def _name_of(file: str) -> str:
    for folder, prefix in ((PACKAGE, ""), (ROOT / "functions", "functions/")):
        if file.startswith(f"{folder}/"):
            return prefix + file.removeprefix(f"{folder}/")
    return ""


def documented(heading: str) -> list[str]:
    """The modules that a section of the document names, in its order."""
    section = DOCUMENT.read_text().split(f"### {heading}\n")[1].split("\n#")[0]
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


def test_csv_row_passes_the_documented_modules(world: World, gameball: StandIn):
    handle = loaded("submit_batch", "poll_jobs", "write_report")
    world.files.drop("inbox/f.csv", b"customerId,amount\nc1,5\n")
    # What is imported at its first use is no step of the path.
    _ = world.triggers, world.poller, world.report_writer
    with traced() as passed:
        handle("submit_batch", dropped("inbox/f.csv"))
        [(_, batch_id)] = world.executions.started
        handle("poll_jobs", {"batchId": batch_id})
        handle("write_report", {"batchId": batch_id})
    assert "2,c1,5,,applied," in world.result(world.store.batch(batch_id), "results.csv")
    assert passed == documented("The path of a CSV row")


def test_manual_transaction_passes_the_documented_modules(desk: Desk):
    loaded("manual_transaction")
    with traced() as passed:
        status, _, _ = desk.post(BODY)
    assert status == 200
    assert passed == documented("The path of a manual transaction")


def loaded(*names: str) -> Callable[[str, Any], Any]:
    """Load functions, so that a trace holds none of their imports, and make what calls them."""
    modules = {name: importlib.import_module(f"functions.{name}.app") for name in names}
    return lambda name, event: modules[name].handler(event, CONTEXT)


@pytest.mark.parametrize("module", sorted({*documented("The path of a CSV row")}))
def test_documented_module_exists(module: str):
    assert (ROOT / module).is_file() or (PACKAGE / module).is_file()
