"""Starts the Gameball stand-in as a process, and calls its admin API."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import urllib3

from local import environment
from local.processes import SupervisedProcess, wait_for

_START_WITHIN_S = 20.0
_LISTENING = re.compile(r"^standin listening on (http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Keys:
    """The two keys of a Gameball account."""

    api_key: str
    secret_key: str


STANDIN_KEYS = Keys("standin-api-key", "standin-secret-key")


class StandInFailed(Exception):
    """The stand-in ended, or its admin API answered with an error."""


class StandInClient:
    """Client of the admin API under ``/_standin/``: setup, audit, settings, faults."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def open_customers(self, customers: Iterable[Mapping[str, object]]) -> None:
        """Create customers (``customerId``, ``balance``), or set the balances of existing ones."""
        self.call("POST", "customers", {"customers": list(customers)})

    def audit(self) -> dict[str, Any]:
        """All applied and refused adjustments, with exact numbers."""
        return self.call("GET", "audit")

    def change_settings(self, settings: Mapping[str, object]) -> None:
        """Change settings; others stay."""
        self.call("POST", "settings", settings)

    def add_fault(self, fault: Mapping[str, object]) -> None:
        """Add a fault for coming requests."""
        self.call("POST", "faults", fault)

    def reset(self) -> None:
        """Remove everything: customers, ledger, jobs, faults, changed settings."""
        self.call("POST", "reset")

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Call the admin API and return the body of its answer.

        Raises:
            StandInFailed: the answer is an error.
        """
        sent = None if body is None else json.dumps(body).encode()
        answer = urllib3.request(
            method, f"{self.base_url}/_standin/{path}", body=sent, timeout=30, retries=False
        )
        if answer.status != 200:
            raise StandInFailed(f"{method} {path}: {answer.status} {answer.data.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer.data, parse_float=Decimal)
        return found


def start_standin(folder: Path, options: Iterable[str] = ()) -> tuple[SupervisedProcess, StandInClient]:
    """Start the stand-in on a free port, and return it with a client of its admin API."""
    keys = ["--api-key", STANDIN_KEYS.api_key, "--secret-key", STANDIN_KEYS.secret_key]
    command = [sys.executable, "-m", "local.standin", "--port", "0", *keys, *options]
    child = SupervisedProcess("standin", command, _environment(), folder / "standin.log", environment.ROOT)
    try:
        base_url = wait_for(lambda: _address(child), _START_WITHIN_S, "the stand-in to listen")
    except BaseException:
        child.stop()
        raise
    return child, StandInClient(base_url)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def _address(child: SupervisedProcess) -> str | None:
    found = _LISTENING.search(child.log_text())
    if found is None and not child.is_running:
        raise StandInFailed(f"the stand-in ended at once:\n{child.log_tail()}")
    return found.group(1) if found else None
