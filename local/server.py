"""The process behind `make up`: runs a local stack until it is told to stop."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from local.supervisor import process_start

_PROGRAMS_CHECKED_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Files:
    """The files by which commands and server know of each other."""

    folder: Path

    @property
    def state(self) -> Path:
        """Where the stack is, while it is up."""
        return self.folder / "stack.json"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.folder / "up.log"

    @property
    def lock(self) -> Path:
        """Locked by the server for as long as it lives."""
        return self.folder / "up.lock"

    @property
    def command(self) -> Path:
        """Locked by a command while it decides and acts."""
        return self.folder / "command.lock"


class RunningStack(Protocol):
    """As much of a stack as the server needs."""

    def describe(self) -> Mapping[str, Any]:
        """Where everything is, for stack.json."""

    def ended_program(self) -> str | None:
        """The name of a program of the stack that has ended by itself."""


def write_server(lock: int, pid: int) -> None:
    """Name the process that holds the lock, in the locked file."""
    name = f"{pid} {process_start(pid)}".encode()
    os.ftruncate(lock, len(name))
    os.pwrite(lock, name, 0)


def read_state(files: Files, server: int | None) -> Mapping[str, Any] | None:
    """What stack.json says, if it is that server's; None while its stack is not up."""
    try:
        state: dict[str, Any] = json.loads(files.state.read_bytes())
    except FileNotFoundError:
        return None
    return state if state.get("pid") == server else None


def serve(files: Files, lock: int, running: Callable[[], AbstractContextManager[RunningStack]]) -> int:
    """Be the server: run a stack until SIGTERM, or until one of its programs has ended by itself.

    Args:
        files: by which commands know of it.
        lock: file descriptor of the lock, held by `make up` and handed on.
        running: starts the stack for as long as its block lasts.

    Returns:
        1, since whoever wants it to end sends SIGTERM.
    """
    os.set_inheritable(lock, False)
    write_server(lock, os.getpid())
    with running() as stack, _state_file(files, stack.describe()):
        while not (ended := stack.ended_program()):
            time.sleep(_PROGRAMS_CHECKED_EVERY_S)
        print(f"{ended} has ended by itself; stopping the local stack …", flush=True)
    return 1


@contextmanager
def _state_file(files: Files, state: Mapping[str, Any]) -> Iterator[None]:
    try:
        # Renamed into place, so that nobody reads half of it.
        draft = files.state.with_suffix(".draft")
        draft.write_text(json.dumps({"pid": os.getpid(), **state}, indent=2) + "\n")
        draft.replace(files.state)
        yield
    finally:
        files.state.unlink(missing_ok=True)
