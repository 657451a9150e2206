"""Programs of the local stack are gone when their owner is, however it went."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import environment
from local.processes import SupervisedProcess, kill_recorded_group, wait_for
from local.supervisor import process_start
from tests.functional.local.sleeper import is_gone, start_sleeper, started_by_sleeper


def supervisor_of(pid_file: Path) -> int:
    """The parent of the program whose group is recorded."""
    group = wait_for(
        lambda: pid_file.read_text() if pid_file.exists() else "", 10, "the process group"
    ).split()[0]
    return int((Path("/proc") / group / "stat").read_text().rpartition(")")[2].split()[1])


def test_child_stop_ends_what_it_started(tmp_path: Path) -> None:
    with start_sleeper(tmp_path) as child:
        [pid] = started_by_sleeper(child.log)
        was_running = child.is_running
    assert was_running and not child.is_running
    assert is_gone(pid)
    assert list(tmp_path.glob("*.pid")) == []


def test_child_stop_is_quick_where_the_program_ignores_signals_and_starts_others(
    tmp_path: Path,
) -> None:
    with start_sleeper(tmp_path, is_stubborn=True) as child:
        started_by_sleeper(child.log)
        before_s = time.monotonic()
    took_s = time.monotonic() - before_s
    assert [pid for pid in started_by_sleeper(child.log) if not is_gone(pid)] == []
    assert took_s < 4


def test_child_that_ends_by_itself_takes_along_what_it_started(tmp_path: Path) -> None:
    with start_sleeper(tmp_path, seconds=0) as child:
        [pid] = started_by_sleeper(child.log)
        assert child.wait(10) == 0
        assert is_gone(pid)


@pytest.mark.parametrize(("code", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_child_wait_gives_the_programs_exit_status(tmp_path: Path, code: str, status: int) -> None:
    command = [sys.executable, "-c", f"import os, sys; {code}"]
    with SupervisedProcess(
        "program", command, {"PATH": os.defpath}, tmp_path / "program.log", tmp_path
    ) as child:
        assert child.wait(10) == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_child_goes_when_its_owner_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import time; from pathlib import Path; from tests.functional.local.sleeper import start_sleeper; "
        f"start_sleeper(Path({str(tmp_path)!r})); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], cwd=environment.ROOT)
    try:
        [pid] = started_by_sleeper(tmp_path / "sleeper.log")
    finally:
        owner.send_signal(number)
        owner.wait()
    wait_for(lambda: is_gone(pid), 10, "the process to go")


def test_child_stop_ends_the_program_of_a_killed_supervisor(tmp_path: Path) -> None:
    with start_sleeper(tmp_path) as child:
        [pid] = started_by_sleeper(child.log)
        os.kill(supervisor_of(tmp_path / "sleeper.pid"), signal.SIGKILL)
        wait_for(lambda: not child.is_running, 10, "the supervisor to go")
        assert not is_gone(pid)
    assert is_gone(pid)


def test_recorded_group_of_another_time_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        record = tmp_path / "program.pid"
        record.write_text(f"{other.pid} {process_start(os.getpid())}")
        assert not kill_recorded_group(record)
        assert other.poll() is None
        assert not record.exists()
    finally:
        other.kill()
        other.wait()
