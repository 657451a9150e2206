"""The Gameball stand-in as a child process, and its side door for tests and the demo."""

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
    """The stand-in ended, or refused what its side door was asked for."""


class StandInClient:
    """The side door under ``/_standin/``: set up, look inside, ask for faults."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def open_customers(self, customers: Iterable[Mapping[str, object]]) -> None:
        """Add customers (``customerId``, ``balance``), or set the balances of those that exist."""
        self.ask("POST", "customers", {"customers": list(customers)})

    def audit(self) -> dict[str, Any]:
        """All that was applied and refused, with exact numbers."""
        return self.ask("GET", "audit")

    def change_settings(self, settings: Mapping[str, object]) -> None:
        """Change how the stand-in behaves; other settings stay."""
        self.ask("POST", "settings", settings)

    def add_fault(self, fault: Mapping[str, object]) -> None:
        """Make requests go wrong in the way that the fault says."""
        self.ask("POST", "faults", fault)

    def reset(self) -> None:
        """Forget everything: customers, ledger, jobs, faults, changed settings."""
        self.ask("POST", "reset")

    def ask(self, method: str, what: str, body: object = None) -> dict[str, Any]:
        """Call the side door and return its answer."""
        sent = None if body is None else json.dumps(body).encode()
        answer = urllib3.request(
            method, f"{self.base_url}/_standin/{what}", body=sent, timeout=30, retries=False
        )
        if answer.status != 200:
            raise StandInFailed(f"{method} {what}: {answer.status} {answer.data.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer.data, parse_float=Decimal)
        return found


def start_standin(folder: Path, options: Iterable[str] = ()) -> tuple[SupervisedProcess, StandInClient]:
    """Start the stand-in on a free port, wait until it listens, and return it with its side door."""
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
