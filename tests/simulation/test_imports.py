"""The checks of the simulation are independent of the code that they check."""

import ast
from pathlib import Path

import pytest

HERE = Path(__file__).parent

CHECKS = (
    "approvals", "canaries", "checks", "clients", "fault_injection", "lives", "many", "model", "ranges",
    "remade_files", "repeated_rows", "reversals", "scenario", "scheduler", "transaction_clients",
    "transactions", "two_stacks",
)  # fmt: skip
"""Modules that check the services, choose what happens, or play Gameball and its clients."""

DRIVERS = (
    "__main__",
    "crashes",
    "environment",
    "mutants",
    "mutants_of_lives",
    "mutants_of_repeats",
    "mutants_of_transactions",
    "rate_limit",
    "simulator",
    "world",
)
"""Modules that run the services or plant bugs in them."""

TYPES = {
    "adjustments.batches.files",
    "adjustments.batches.records",
    "adjustments.core",
    "adjustments.core.errors",
    "adjustments.gameball.port",
}
"""What the checks may import of the package: types, errors, and exact numbers in JSON."""


def imported_by(module: str) -> set[str]:
    tree = ast.parse((HERE / f"{module}.py").read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    found |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name for name in found if name.split(".")[0] == "adjustments"}


@pytest.mark.parametrize("module", CHECKS)
def test_check_imports_types_only(module: str):
    assert imported_by(module) <= TYPES


def test_every_module_is_a_check_or_a_driver():
    modules = {path.stem for path in HERE.glob("*.py") if not path.stem.startswith(("test_", "__init__"))}
    assert modules == {*CHECKS, *DRIVERS}
