"""The rooms of the package stand on floors, and imports point down: a room imports from lower floors only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "layers/adjustments/adjustments"

FLOORS = {
    "bootstrap": 2,
    "ports": 3,
    "administration": 3,
    "reconciliation": 4,
    "results": 5,
    "submission": 6,
    "polling": 7,
    "manual_transactions": 7,
    "gameball": 8,
    "aws": 8,
    "batches": 9,
    "core": 10,
}
"""Counted from the top. Functions are the first floor; docs/architecture.md says what lives where."""

PURE = {"core", "batches"}
"""Rooms without any input or output; whatever they need of the world is passed in."""

PURE_MODULES = {
    "gameball/port.py",
    "gameball/retry_policy.py",
    "manual_transactions/matching.py",
    "manual_transactions/model.py",
    "manual_transactions/redaction.py",
    "manual_transactions/service.py",
    "polling/job_client.py",
    "polling/dry_run.py",
    "reconciliation/evidence.py",
    "results/summary.py",
    "results/emails.py",
    "results/formats.py",
    "submission/description.py",
    "submission/duplicates.py",
    "submission/guards.py",
    "submission/plan.py",
    *(f"results/report_html/{path.name}" for path in (PACKAGE / "results/report_html").glob("*.py")),
    *(f"submission/csv/{path.name}" for path in (PACKAGE / "submission/csv").glob("*.py")),
}

IO_PACKAGES = {
    "boto3",
    "botocore",
    "urllib3",
    "aws_lambda_powertools",
    "socket",
    "logging",
    "tempfile",
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


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


ALL = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_module_stands_in_a_room():
    assert {room_of(path) for path in ALL} == FLOORS.keys()


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_room_imports_from_lower_floors_only(path: Path):
    room = room_of(path)
    reached = {
        parts[1]
        for name in imports_of(path)
        if len(parts := name.split(".")) > 1 and parts[0] == "adjustments"
    }
    above = {other for other in reached - {room} if FLOORS[other] <= FLOORS[room]}
    assert not above


@pytest.mark.parametrize(
    "path",
    [path for path in ALL if room_of(path) in PURE or name_of(path) in PURE_MODULES],
    ids=name_of,
)
def test_pure_module_does_no_io(path: Path):
    assert not {name.split(".")[0] for name in imports_of(path)} & IO_PACKAGES


def test_pure_modules_exist():
    assert {name_of(path) for path in ALL} >= PURE_MODULES
