"""Imports point one way, and the pure core does no I/O (DESIGN.md, "Shape")."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "layers/adjustments/adjustments"
EDGE = {"adapters", "services", "results", "base_wiring", "wiring", "manual_wiring"}
IO_PACKAGES = {
    "boto3",
    "botocore",
    "urllib3",
    "aws_lambda_powertools",
    "socket",
    "logging",
    "tempfile",
    "time",
}


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


ALL = sorted(PACKAGE.rglob("*.py"))
PURE = [path for path in ALL if room_of(path) not in EDGE - {"results"}]


def test_there_is_a_pure_core_to_check():
    assert len(PURE) > 15


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_core_imports_no_io(path: Path):
    assert not {name.split(".")[0] for name in imports_of(path)} & IO_PACKAGES


@pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path):
    allowed = {
        "services": {"services", "results"},
        "results": {"results", "services"},
        "adapters": {"adapters"},
        "base_wiring": {"adapters"},
        "wiring": {"services", "results", "adapters", "base_wiring"},
        "manual_wiring": {"services", "adapters", "base_wiring"},
    }.get(room_of(path), set())
    reached = {
        parts[1]
        for name in imports_of(path)
        if len(parts := name.split(".")) > 1 and parts[0] == "adjustments"
    }
    assert reached & EDGE <= allowed


def test_idempotency_is_loaded_by_manual_transactions_only():
    """Powertools' module costs every cold start that loads it."""
    users = {
        room_of(path) for path in ALL if any("adapters.idempotency" in name for name in imports_of(path))
    }
    assert users == {"manual_wiring"}


def test_batch_api_starts_without_what_none_or_few_of_its_calls_need():
    program = "import sys, functions.batch_api.app; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert "adjustments.services.steering" in done.stdout.split()
    assert not set(done.stdout.split()) & {
        "aws_lambda_powertools.event_handler",
        "pydantic",
        "adjustments.batches.decisions",
        "adjustments.results.notifications",
        "adjustments.services.planning",
        "adjustments.results.report_writer",
        "adjustments.services.resolving",
        "adjustments.services.reversing",
    }


@pytest.mark.parametrize(
    ("wiring", "others"),
    [
        ("manual_wiring", {"batches.jobs", "model", "states", "wiring", "intake", "results.report_html"}),
        ("wiring", {"manual", "manual_wiring", "results.report_html", "steering_bodies"}),
    ],
)
def test_nobody_starts_with_what_only_others_need(wiring: str, others: set[str]):
    """Each module costs every cold start that loads it."""
    code = f"import sys\nimport adjustments.{wiring}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    loaded = {name.removeprefix("adjustments.") for name in done.stdout.split()}
    assert wiring in loaded
    assert not loaded & others
