"""`make up` and `make down`: start and stop a local stack in the background.

Three files under `.local/` coordinate the commands and the server:

- `up.lock` is locked by the server as long as it runs, and contains its process id and start time. The kernel
  releases the lock however the process ends. `make up` acquires it and passes it on to the server.
- `stack.json` exists while the stack is up. It contains the addresses, and the process id of the server.
- `command.lock` is held while a command checks the state and acts on it, so commands run one after another.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import environment
from local.environment import ACCESS_KEY, SECRET_KEY
from local.server import Files, read_state, write_server
from local.supervisor import process_start
from local.workspace import exclusive, is_locked, remove_abandoned

_UP_WITHIN_S = 600.0
_NAMED_WITHIN_S = 10.0
_POLL_EVERY_S = 0.1
_SIGNAL_EVERY_S = 2.0


class StartFailed(Exception):
    """The stack did not start; the message says why."""


@dataclass(frozen=True, slots=True)
class Commands:
    """`up` and `down`.

    Args:
        files: the files shared with the server.
        server: command line of the server; the file descriptor of the lock is appended.
        report: called with each line of progress.
    """

    files: Files
    server: Sequence[str]
    report: Callable[[str], None]
    stop_within_s: float = 30.0
    """How long the server may take to stop without printing a line; then it is killed."""

    def up(self) -> Mapping[str, Any]:
        """Start a stack, or return the one that is running or starting.

        Returns:
            The content of stack.json.

        Raises:
            StartFailed: it ended, or was stopped, before it was up.
        """
        deadline = time.monotonic() + _UP_WITHIN_S
        while True:
            with self._turn():
                server = self._server_pid()
                process = self._start() if server is None else None
            if process is not None:
                return self._wait_for_start(process, deadline)
            if state := self._wait_for_other(server, deadline):
                self.report("The local stack is up already.")
                return state

    def down(self) -> None:
        """Stop the stack and wait until its processes and files are gone.

        A server that does not react is killed, and its processes and files are removed here.
        """
        with self._turn():
            was_up = self._server_pid() is not None
            had_left = self._stop()
        if was_up:
            self.report("The local stack is down.")
        else:
            removed = " Removed processes and files of one that was killed." if had_left else ""
            self.report(f"No local stack is up.{removed}")

    def _turn(self) -> AbstractContextManager[object]:
        return exclusive(
            self.files.command, lambda: self.report("waiting for another `make up` or `make down` …")
        )

    def _server_pid(self) -> int | None:
        """The process id of the server, which holds the lock; None if there is no server."""
        deadline = time.monotonic() + _NAMED_WITHIN_S
        while is_locked(self.files.lock):
            with contextlib.suppress(ValueError):
                pid, _, started = self.files.lock.read_text().partition(" ")
                if process_start(int(pid)) == started:
                    return int(pid)
            # The server is just starting or ending.
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{self.files.lock} is locked by an unknown process; stop that process and try again."
                )
            time.sleep(_POLL_EVERY_S)
        return None

    def _start(self) -> "subprocess.Popen[bytes]":
        self.files.state.unlink(missing_ok=True)
        self.files.lock.touch()
        with self.files.lock.open("r+") as lock, self.files.log.open("wb") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = subprocess.Popen(
                [*self.server, str(lock.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock.fileno()],
                cwd=environment.ROOT,
            )
            write_server(lock.fileno(), server.pid)
            return server

    def _wait_for_start(self, server: "subprocess.Popen[bytes]", deadline: float) -> Mapping[str, Any]:
        log = _Log(self.files.log, self.report)
        try:
            while server.poll() is None:
                log.report_new()
                if state := read_state(self.files, server.pid):
                    return state
                if time.monotonic() > deadline:
                    raise StartFailed(f"The local stack was not up after {_UP_WITHIN_S:g} s; it is stopped.")
                time.sleep(_POLL_EVERY_S)
        except BaseException:
            with self._turn():
                if self._server_pid() == server.pid:
                    self._stop()
            raise
        log.report_new()
        if server.returncode == 128 + signal.SIGTERM:
            raise StartFailed("The local stack was stopped while it was starting.")
        raise StartFailed(f"The local stack did not come up; see {self.files.log}.")

    def _wait_for_other(self, server: int | None, deadline: float) -> Mapping[str, Any] | None:
        """Wait until the stack of another command is up; None if its server ends."""
        if not read_state(self.files, server):
            self.report("waiting for a local stack that is starting or stopping …")
        while self._server_pid() == server:
            if state := read_state(self.files, server):
                return state
            if time.monotonic() > deadline:
                raise StartFailed(f"Another local stack was neither up nor down after {_UP_WITHIN_S:g} s.")
            time.sleep(_POLL_EVERY_S)
        return None

    def _stop(self) -> bool:
        """Stop the server if there is one, and remove remaining processes and files.

        Returns:
            Whether anything remained that the server should have removed.
        """
        if self._server_pid() is not None:
            self.report("stopping the local stack …")
            self._stop_server()
        is_stale = self.files.state.exists()
        self.files.state.unlink(missing_ok=True)
        self.files.state_draft.unlink(missing_ok=True)
        return remove_abandoned(self.files.folder, lambda step: self.report(f"{step} …")) or is_stale

    def _stop_server(self) -> None:
        log = _Log(self.files.log, self.report)
        log.skip()
        started_s = progress_s = time.monotonic()
        signalled_s = 0.0
        while (pid := self._server_pid()) is not None:
            now_s = time.monotonic()
            if log.report_new():
                progress_s = now_s
            if now_s - progress_s > self.stop_within_s:
                self.report(f"the server has not stopped after {now_s - started_s:.0f} s; killing it …")
                _send(pid, signal.SIGKILL)
                progress_s = now_s
            elif now_s - signalled_s > _SIGNAL_EVERY_S:
                _send(pid, signal.SIGTERM)
                signalled_s = now_s
            time.sleep(_POLL_EVERY_S)


class _Log:
    """The log of the server, read line by line."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._read_bytes = 0

    def skip(self) -> None:
        """Skip the lines so far."""
        with contextlib.suppress(FileNotFoundError):
            self._read_bytes = self._path.stat().st_size

    def report_new(self) -> bool:
        """Report new lines, and return whether there were any."""
        with self._path.open("rb") as log:
            log.seek(self._read_bytes)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(end)
        for line in whole.decode(errors="replace").splitlines():
            self._report(line)
        return bool(end)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _show(state: Mapping[str, Any]) -> None:
    for name, value in state.get("outputs", {}).items():
        print(f"  {name:16} {value}")
    print(f"  {'… on loopback':16} {state.get('api')}")
    print(f"  {'Gameball':16} {state.get('gameball')}")
    if state.get("isStandIn"):
        print(f"  {'its ledger':16} {state['gameball']}/_standin/audit")
    print(f"  {'logs':16} {state.get('logs')}/")
    print("The same for scripts: .local/stack.json. For the AWS CLI and boto3:")
    print(f"  export AWS_ENDPOINT_URL={state.get('endpoint')} AWS_DEFAULT_REGION={state.get('region')}")
    print(f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}")
    print(f"  export AWS_CA_BUNDLE={state.get('caBundle')}")
    print("To work with it in a browser, without a command line: .venv/bin/adjust console --local")
    print("make down stops it.")


def main(arguments: list[str]) -> int:
    """Do `up` or `down`."""
    server = [sys.executable, "-m", "local.stack_server"]
    commands = Commands(Files(environment.STATE), server, lambda line: print(line, flush=True))
    try:
        match arguments:
            case ["up"]:
                _show(commands.up())
            case ["down"]:
                commands.down()
            case _:
                print("usage: python -m local.lifecycle up | down", file=sys.stderr)
                return 2
    except StartFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run `make down` to stop what is still running", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
