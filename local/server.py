"""The server behind `make up`: runs a local stack until SIGTERM."""

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
    """The files shared by the commands and the server."""

    folder: Path

    @property
    def state(self) -> Path:
        """Addresses of the stack; exists while the stack is up."""
        return self.folder / "stack.json"

    @property
    def state_draft(self) -> Path:
        """The same while it is being written."""
        return self.folder / "stack.draft"

    @property
    def log(self) -> Path:
        """Output of the server."""
        return self.folder / "up.log"

    @property
    def lock(self) -> Path:
        """Locked by the server as long as it runs."""
        return self.folder / "up.lock"

    @property
    def command(self) -> Path:
        """Locked by a command while it checks the state and acts on it."""
        return self.folder / "command.lock"


class RunningStack(Protocol):
    """The part of a stack that the server uses."""

    def describe(self) -> Mapping[str, Any]:
        """The addresses of the stack, for stack.json."""

    def ended_program(self) -> str | None:
        """The name of a program of the stack that has ended by itself."""


def write_server(lock: int, pid: int) -> None:
    """Write the process id and start time of the server to the lock file."""
    name = f"{pid} {process_start(pid)}".encode()
    os.ftruncate(lock, len(name))
    os.pwrite(lock, name, 0)


def read_state(files: Files, server: int | None) -> Mapping[str, Any] | None:
    """Read stack.json; None if it is not that server's, or its stack is not up."""
    try:
        state: dict[str, Any] = json.loads(files.state.read_bytes())
    except FileNotFoundError:
        return None
    return state if state.get("pid") == server else None


def serve(files: Files, lock: int, running: Callable[[], AbstractContextManager[RunningStack]]) -> int:
    """Run a stack until SIGTERM, or until one of its programs ends by itself.

    Args:
        files: the files shared with the commands.
        lock: file descriptor of the lock, which `make up` has acquired.
        running: runs the stack for the duration of a block.

    Returns:
        1, the exit status after a program has ended; on SIGTERM, SystemExit is raised.
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
        # Renamed into place, so that it is never read incomplete.
        draft = files.state_draft
        draft.write_text(json.dumps({"pid": os.getpid(), **state}, indent=2) + "\n")
        draft.replace(files.state)
        yield
    finally:
        files.state.unlink(missing_ok=True)
