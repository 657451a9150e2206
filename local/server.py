"""The process behind `make up`: runs a local stack until it is told to stop."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from local import places
from local.emulator import REGION
from local.gameball import STANDIN_KEYS, Keys
from local.stack import Gameball, LocalStack, StackSettings
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


class _ServedStack:
    """A local stack as the server sees it."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.ended_program = stack.ended_program

    def describe(self) -> Mapping[str, Any]:
        """Where everything is, for scripts and `adjust --local`."""
        stack = self._stack
        return {
            "endpoint": stack.aws.endpoint,
            "region": REGION,
            "caBundle": str(stack.aws.ca_bundle),
            "api": stack.aws.local_api_url(stack.outputs["ApiUrl"]),
            "gameball": stack.gameball.base_url,
            "isStandIn": stack.has_standin,
            "logs": str(stack.folder.relative_to(places.ROOT)),
            "outputs": dict(stack.outputs),
        }


@contextmanager
def _running_stack() -> Iterator[RunningStack]:
    settings = StackSettings(
        gameball=_other_gameball(),
        standin_options=("--customers-file", str(places.SAMPLES / "gameball-customers.json")),
        announce=lambda step: print(f"{step} …", flush=True),
    )
    with LocalStack.running(settings) as stack:
        yield _ServedStack(stack)


def _other_gameball() -> Gameball | None:
    """The Gameball that the caller's environment names, if any."""
    base_url = os.environ.get("GAMEBALL_BASE_URL")
    if not base_url:
        return None
    return Gameball(
        base_url.rstrip("/"),
        Keys(
            os.environ.get("GAMEBALL_API_KEY", STANDIN_KEYS.api_key),
            os.environ.get("GAMEBALL_SECRET_KEY", STANDIN_KEYS.secret_key),
        ),
    )


if __name__ == "__main__":
    # The file descriptor of the lock, handed on by `make up`.
    sys.exit(serve(Files(places.STATE), int(sys.argv[1]), _running_stack))
