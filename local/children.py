"""The programs that the local stack consists of, as child processes that can't outlive it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_STOP_WITHIN_S = 10.0
_TAIL_BYTES = 4_000


class Child:
    """A program with its own process group and log; it is stopped with all that it started."""

    def __init__(
        self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_SUPERVISOR), *command],
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
        """Everything that it has printed so far."""
        return self.log.read_text(errors="replace")

    def log_tail(self) -> str:
        """The last that it printed, for an error message."""
        return self.log_text()[-_TAIL_BYTES:]

    def stop(self) -> None:
        """Stop the program and wait until its whole group is gone; twice is harmless."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
