"""A program that starts another one and sleeps, as MiniStack does with its workers."""

import os
import sys
from pathlib import Path

from local.processes import SupervisedProcess, wait_for

_PROGRAM = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep({seconds})\n"
)
# Asked to end, it goes on starting programs, as MiniStack does for queued messages.
_STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "while True:\n"
    "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "    print(child.pid, flush=True)\n"
    "    time.sleep(0.05)\n"
)


def start_sleeper(folder: Path, seconds: float = 60, *, is_stubborn: bool = False) -> SupervisedProcess:
    program = _STUBBORN if is_stubborn else _PROGRAM.format(seconds=seconds)
    command = [sys.executable, "-c", program]
    return SupervisedProcess("sleeper", command, {"PATH": os.defpath}, folder / "sleeper.log", folder)


def started_by_sleeper(log: Path) -> list[int]:
    """The processes that the program has started so far; at least one."""
    text = wait_for(lambda: log.read_text() if log.exists() else "", 10, "the sleeper to start a process")
    return [int(line) for line in text.splitlines()]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Dead, but waiting for an init that collects it.
    return (Path("/proc") / str(pid) / "stat").read_text().split()[2] == "Z"
