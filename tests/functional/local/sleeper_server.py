"""`python -m tests.functional.local.sleeper_server FOLDER MODE LOCK`: `make up` with another stack.

That stack is one program, which starts another one and sleeps, as MiniStack does with its workers.
"""

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.processes import exit_on_sigterm, ignore_stop_signals
from local.server import Files, serve
from local.workspace import create_workspace
from tests.functional.local.sleeper import start_sleeper, started_by_sleeper

MODES = ("plain", "slow-start", "slow-stop", "deaf", "broken")


class SleeperStack:
    def __init__(self, folder: Path) -> None:
        self.sleeper = start_sleeper(folder)

    def describe(self) -> Mapping[str, Any]:
        return {"logs": str(self.sleeper.log.parent)}

    def ended_program(self) -> str | None:
        return None if self.sleeper.is_running else "sleeper"


@contextmanager
def running(folder: Path, mode: str) -> Iterator[SleeperStack]:
    with exit_on_sigterm(), create_workspace(folder) as workspace:
        stack = SleeperStack(workspace)
        with stack.sleeper:
            try:
                print(f"starting in mode {mode}", flush=True)
                if mode == "slow-start":
                    time.sleep(60)
                if mode == "broken":
                    raise RuntimeError("no such template")
                if mode == "deaf":
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                started_by_sleeper(stack.sleeper.log)
                yield stack
            finally:
                ignore_stop_signals()
                if mode == "slow-stop":
                    time.sleep(1)


if __name__ == "__main__":
    folder, mode, lock = sys.argv[1:]
    sys.exit(serve(Files(Path(folder)), int(lock), lambda: running(Path(folder), mode)))
