"""Processes of the local stack, which never outlive their owner."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypeVar

from local import supervisor

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SUPERVISOR = Path(supervisor.__file__)
_STOP_WITHIN_S = 15.0
"""More than the supervisor needs; past it, the supervisor itself is killed."""
_TAIL_CHARS = 6_000
_POLL_EVERY_S = 0.1
T = TypeVar("T")


class SupervisedProcess:
    """A program with its own process group and log; it is stopped with all processes that it started.

    Args:
        name: of the program, for messages.
        command: the program and its arguments.
        env: its whole environment.
        log: where its output is appended; while it runs, the same name with `.pid` names its process group.
        cwd: its working directory.
    """

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        self._pid_file = log.with_suffix(".pid")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SUPERVISOR), str(self._pid_file), *command],
                stdin=subprocess.PIPE,  # never written to: its end is the sign to stop
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether the program has neither ended nor been stopped."""
        return self._process.poll() is None

    def log_text(self) -> str:
        """The whole output so far."""
        return self.log.read_text(errors="replace")

    def log_tail(self) -> str:
        """The end of the output, for an error message."""
        return self.log_text()[-_TAIL_CHARS:]

    def wait(self, timeout_s: float) -> int:
        """Wait for the program to end by itself, and return its exit status.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """Kill the program with all that it started, and wait until they are gone; twice is harmless."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # The supervisor removes this file after it has killed the group.
        kill_recorded_group(self._pid_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def kill_recorded_group(pid_file: Path) -> bool:
    """Kill the process group that a supervisor recorded but didn't live to kill.

    Returns:
        Whether there was one to kill. A group of the same id that was made later is left alone.
    """
    try:
        recorded, _, started = pid_file.read_text().partition(" ")
        group = int(recorded)
    except (FileNotFoundError, ValueError):
        return False
    is_left = _is_same(group, started) and not supervisor.is_group_gone(group)
    if is_left:
        supervisor.kill_group(group)
        supervisor.is_group_gone(group, _STOP_WITHIN_S)
    with contextlib.suppress(FileNotFoundError):
        pid_file.unlink()
    return is_left


def _is_same(group: int, started: str) -> bool:
    leader = supervisor.process_start(group)
    if leader:
        return leader == started
    # An id is not given away as long as a process of its group lives, even if the leader does not; a new boot
    # of the machine begins anew.
    boot = started.partition("/")[0]
    return supervisor.process_start(os.getpid()).partition("/")[0] == boot


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that blocks are left in order, as they are on SIGINT."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_stop_signals() -> None:
    """Let nothing interrupt the cleanup: a second SIGTERM or Ctrl-C would leave programs and files behind."""
    if threading.current_thread() is threading.main_thread():
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def wait_for(poll: Callable[[], T | None], timeout_s: float, what: str, every_s: float = _POLL_EVERY_S) -> T:
    """Poll until a function returns a true value, and return that.

    Args:
        poll: the function.
        timeout_s: how long to poll.
        what: what is waited for, for the message.
        every_s: pause between two calls.

    Raises:
        TimeoutError: no true value in time; the message says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := poll()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s for {what}; the last result was {found!r}")
        time.sleep(every_s)
    return found
