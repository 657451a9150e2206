"""`make up` and `make down` end in a true state and leave nothing, whatever happens at the same time."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.lifecycle import Commands, StartFailed
from local.processes import wait_for
from local.server import Files
from local.workspace import is_locked
from tests.functional.local.sleeper import is_gone, started_by_sleeper
from tests.functional.local.test_processes import supervisor_of


class Terminal:
    """One person at a terminal, who types `make up` and `make down` for stacks in a folder."""

    def __init__(self, folder: Path, mode: str = "plain", stop_within_s: float = 30.0) -> None:
        self.files = Files(folder)
        self.lines: list[str] = []
        self.failed: Exception | None = None
        server = [sys.executable, "-m", "tests.functional.local.sleeper_server", str(folder), mode]
        self._commands = Commands(self.files, server, self.lines.append, stop_within_s)

    def up(self) -> dict[str, Any]:
        return dict(self._commands.up())

    def down(self) -> None:
        self._commands.down()

    def meanwhile(self, command: Callable[[], object]) -> threading.Thread:
        """Run a command in a thread, and keep its failure."""

        def run() -> None:
            try:
                command()
            except StartFailed as error:
                self.failed = error

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def sleepers(folder: Path) -> list[int]:
    return [pid for log in folder.glob("*/sleeper.log") for pid in started_by_sleeper(log)]


def assert_nothing_is_left(folder: Path) -> None:
    assert not is_locked(Files(folder).lock)
    assert not Files(folder).state.exists()
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []


def kill_server(state: dict[str, Any]) -> None:
    os.kill(state["pid"], signal.SIGKILL)
    wait_for(lambda: is_gone(state["pid"]), 10, "the server to go")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of the stacks; whatever a failed test leaves is stopped."""
    yield tmp_path
    Terminal(tmp_path, stop_within_s=0.5).down()


def test_up_says_where_the_stack_is_and_down_leaves_nothing(folder: Path) -> None:
    terminal = Terminal(folder)
    state = terminal.up()
    assert json.loads(terminal.files.state.read_text()) == state
    assert not is_gone(state["pid"])
    [pid] = sleepers(folder)
    terminal.down()
    assert is_gone(pid) and is_gone(state["pid"])
    assert_nothing_is_left(folder)
    assert terminal.lines == [
        "starting in mode plain",
        "stopping the local stack …",
        "The local stack is down.",
    ]


def test_up_finds_the_stack_that_is_up_already(folder: Path) -> None:
    first = Terminal(folder).up()
    second = Terminal(folder)
    assert second.up() == first
    assert second.lines == ["The local stack is up already."]


def test_down_without_a_stack_says_so(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.down()
    assert terminal.lines == ["No local stack is up."]


def test_up_during_down_starts_a_new_stack(folder: Path) -> None:
    before = Terminal(folder, "slow-stop").up()
    stopper, starter = Terminal(folder), Terminal(folder)
    stopping = stopper.meanwhile(stopper.down)
    wait_for(lambda: "stopping the local stack …" in stopper.lines, 10, "the stack to be stopping")
    after = starter.up()
    stopping.join()
    assert after["pid"] != before["pid"]
    assert not is_gone(after["pid"])
    assert starter.lines[0] == "waiting for another `make up` or `make down` …"
    assert stopper.lines[-1] == "The local stack is down."


def test_up_waits_for_a_stack_that_was_told_to_stop_by_a_signal(folder: Path) -> None:
    terminal = Terminal(folder, "slow-stop")
    before = terminal.up()
    os.kill(before["pid"], signal.SIGTERM)
    wait_for(lambda: not terminal.files.state.exists(), 10, "the stack to be stopping")
    assert Terminal(folder).up()["pid"] != before["pid"]


def test_down_during_up_stops_the_start_and_leaves_nothing(folder: Path) -> None:
    starter, stopper = Terminal(folder, "slow-start"), Terminal(folder)
    starting = starter.meanwhile(starter.up)
    wait_for(lambda: sleepers(folder), 10, "the program to start")
    [pid] = sleepers(folder)
    stopper.down()
    starting.join()
    assert str(starter.failed) == "The local stack was stopped while it was starting."
    assert is_gone(pid)
    assert_nothing_is_left(folder)


def test_two_downs_at_once_both_end_and_leave_nothing(folder: Path) -> None:
    Terminal(folder, "slow-stop").up()
    both = [Terminal(folder), Terminal(folder)]
    for thread in [terminal.meanwhile(terminal.down) for terminal in both]:
        thread.join()
    assert sorted(terminal.lines[-1] for terminal in both) == [
        "No local stack is up.",
        "The local stack is down.",
    ]
    assert_nothing_is_left(folder)


def test_two_ups_at_once_have_one_stack(folder: Path) -> None:
    both = [Terminal(folder), Terminal(folder)]
    for thread in [terminal.meanwhile(terminal.up) for terminal in both]:
        thread.join()
    assert len(list(folder.glob("stack-*"))) == 1
    assert sorted("The local stack is up already." in terminal.lines for terminal in both) == [False, True]


def test_down_after_the_server_was_killed_removes_what_it_left(folder: Path) -> None:
    terminal = Terminal(folder)
    state = terminal.up()
    pids = sleepers(folder)
    kill_server(state)
    terminal.down()
    assert all(is_gone(pid) for pid in pids)
    assert_nothing_is_left(folder)
    assert terminal.lines[-1] == "No local stack is up. Removed processes and files of one that was killed."


def test_down_ends_programs_whose_server_and_supervisor_were_killed(folder: Path) -> None:
    terminal = Terminal(folder)
    state = terminal.up()
    [pid] = sleepers(folder)
    [record] = wait_for(lambda: list(folder.glob("stack-*/sleeper.pid")), 10, "the process group")
    supervisor = supervisor_of(record)
    os.kill(supervisor, signal.SIGKILL)
    kill_server(state)
    assert not is_gone(pid)
    terminal.down()
    assert is_gone(pid)
    assert_nothing_is_left(folder)


def test_up_after_the_server_was_killed_starts_a_new_one(folder: Path) -> None:
    terminal = Terminal(folder)
    before = terminal.up()
    kill_server(before)
    after = terminal.up()
    assert after["pid"] != before["pid"]
    assert len(list(folder.glob("stack-*"))) == 1


def test_down_removes_a_stale_state_file(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.files.state.write_text(json.dumps({"pid": os.getpid()}))
    terminal.down()
    assert not terminal.files.state.exists()


def test_up_does_not_believe_a_stale_state_file(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.files.state.write_text(json.dumps({"pid": os.getpid()}))
    assert terminal.up()["pid"] != os.getpid()
    assert "The local stack is up already." not in terminal.lines


def test_server_that_does_not_react_is_killed_by_down(folder: Path) -> None:
    terminal = Terminal(folder, "deaf", stop_within_s=0.5)
    state = terminal.up()
    [pid] = sleepers(folder)
    terminal.down()
    assert is_gone(pid) and is_gone(state["pid"])
    assert_nothing_is_left(folder)
    assert terminal.lines[-1] == "The local stack is down."


def test_server_ends_when_a_program_of_its_stack_has_ended(folder: Path) -> None:
    terminal = Terminal(folder)
    state = terminal.up()
    [record] = wait_for(lambda: list(folder.glob("stack-*/sleeper.pid")), 10, "the process group")
    os.kill(int(record.read_text().split()[0]), signal.SIGKILL)
    wait_for(lambda: is_gone(state["pid"]), 10, "the server to go")
    assert_nothing_is_left(folder)
    assert "sleeper has ended by itself" in terminal.files.log.read_text()


def test_up_that_fails_shows_why_and_leaves_nothing(folder: Path) -> None:
    terminal = Terminal(folder, "broken")
    with pytest.raises(StartFailed, match="did not come up"):
        terminal.up()
    assert "RuntimeError: no such template" in terminal.lines
    assert_nothing_is_left(folder)
