"""Runs one program for as long as whoever started it lives.

Started as a script in a session of its own, with a pipe as standard input that nobody writes to: when the
other end closes, be it by order or because its process was killed, the whole process group is stopped. So
not even `kill -9` on a test run leaves an emulator and its workers behind. It imports nothing of the
project, so that it can run in an empty environment.
"""

import os
import select
import signal
import subprocess
import sys
import time

_LOOK_EVERY_S = 0.2
_GRACE_S = 5.0


def main(command: list[str]) -> int:
    """Run the command; end with its exit status, or stop it when standard input ends."""
    # The group gets the signals; this process must outlive them to see that the group obeys.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_obey_signals)
    while child.poll() is None and not _is_let_go():
        pass
    status = _stop(child)
    # Workers whose parent died by itself are still in the group. This ends the supervisor, too.
    _announce(status)
    os.killpg(0, signal.SIGKILL)
    return status


def _obey_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _is_let_go() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], _LOOK_EVERY_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _stop(child: "subprocess.Popen[bytes]") -> int:
    if child.poll() is None:
        os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return child.poll() or 0


def _announce(status: int) -> None:
    print(f"supervisor: ended with status {status}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
