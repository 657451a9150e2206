"""Imports point one way, and the pure core does no I/O."""

import ast
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
    }.get(room_of(path), {"services"} if path == PACKAGE / "submission/planner.py" else set())
    reached = {
        parts[1]
        for name in imports_of(path)
        if len(parts := name.split(".")) > 1 and parts[0] == "adjustments"
    }
    assert reached & EDGE <= allowed
