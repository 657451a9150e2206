"""Programs of the local stack are gone when their owner is, however it went."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local import places
from local.children import Child
from local.waiting import wait_for

# Starts a grandchild, as MiniStack does with its workers, and says its number.
_PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(child.pid, flush=True)\n"
    "time.sleep({seconds})\n"
)


def start(folder: Path, seconds: float = 60) -> Child:
    command = [sys.executable, "-c", _PARENT.format(seconds=seconds)]
    return Child("sleeper", command, {"PATH": os.defpath}, folder / "sleeper.log", folder)


def grandchild_of(log: Path) -> int:
    text = wait_for(lambda: log.read_text() if log.exists() else "", 10, "the grandchild's number")
    return int(text.split()[0])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Dead, but waiting for an init that collects it.
    return (Path("/proc") / str(pid) / "stat").read_text().split()[2] == "Z"


def test_stopping_a_child_stops_what_it_started(tmp_path: Path) -> None:
    with start(tmp_path) as child:
        pid = grandchild_of(child.log)
        was_running = child.is_running
    assert was_running and not child.is_running
    wait_for(lambda: is_gone(pid), 10, "the grandchild to go")


def test_what_a_child_started_goes_when_the_child_ends_by_itself(tmp_path: Path) -> None:
    with start(tmp_path, seconds=0) as child:
        pid = grandchild_of(child.log)
        wait_for(lambda: is_gone(pid), 10, "the grandchild to go")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_goes_when_its_owner_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    code = f"import time; from {__name__} import *; start(Path({str(tmp_path)!r})); time.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=places.ROOT)
    try:
        pid = grandchild_of(tmp_path / "sleeper.log")
    finally:
        owner.send_signal(number)
        owner.wait()
    wait_for(lambda: is_gone(pid), 10, "the grandchild to go")
