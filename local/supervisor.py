"""Runs one program as long as the process that started it runs.

Runs as a script. Its standard input is a pipe to its owner: when the owner closes it or ends, even by
`kill -9`, the process group of the program is killed. It imports nothing of the project, so that it can run
in an empty environment.

The group is killed without a grace period: the programs keep their state in memory, and an emulator that is
asked to end goes on starting workers for queued messages, each with its own copy of the code on disk.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

_CHECK_EVERY_S = 0.2
_GROUP_ENDS_WITHIN_S = 10.0
_PROC = Path("/proc")


def main(pid_file: str, *command: str) -> int:
    """Run the command until it ends or standard input does, and kill what is left of its process group.

    Args:
        pid_file: file that names the process group while it runs: its id, and when its leader started.
        command: the program and its arguments.

    Returns:
        The program's exit status; 128 and the signal's number where a signal ended it.
    """
    # The owner decides when to stop: a Ctrl-C meant for it must not end this process first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    program = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_reset_signals
    )
    record = Path(pid_file)
    try:
        record.write_text(f"{program.pid} {process_start(program.pid)}")
        while program.poll() is None and not _is_input_closed():
            pass
    finally:
        kill_group(program.pid)
        status = program.wait()
        is_group_gone(program.pid, _GROUP_ENDS_WITHIN_S)
        record.unlink(missing_ok=True)
    return status if status >= 0 else 128 - status


def process_start(pid: int) -> str:
    """When a process started, which names it together with its id: the system uses ids again.

    Returns:
        Text that only serves to be compared; empty where there is no such process.
    """
    if _PROC.is_dir():
        try:
            started = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19]
            boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        return f"{boot}/{started}"
    listed = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip().replace(" ", "-")


def kill_group(group: int) -> None:
    """Kill all processes of a group at once; a group that is gone is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def is_group_gone(group: int, timeout_s: float = 0.0) -> bool:
    """Whether no process of a group is left, waiting for it if need be; zombies don't count."""
    deadline = time.monotonic() + timeout_s
    while _has_members(group):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if not _PROC.is_dir():
        return True
    # Zombies stay in the group until their parent collects them, which may be never in a container.
    return any(_is_running_in(stat, group) for stat in _PROC.glob("[0-9]*/stat"))


def _is_running_in(stat: Path, group: int) -> bool:
    try:
        state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
    except OSError:
        return False
    return int(process_group) == group and state not in "ZX"


def _reset_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _is_input_closed() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _CHECK_EVERY_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
