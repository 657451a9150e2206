"""MiniStack, the AWS on this machine, as a child process."""

import socket
import sys
from pathlib import Path
from typing import Final

import urllib3

from local import places
from local.children import Child
from local.waiting import wait_for

REGION: Final = "eu-central-1"
"""Also in samconfig.toml; the functions learn it from MiniStack."""
_START_WITHIN_S = 30.0
_ANSWER_WITHIN_S = 5.0


class EmulatorFailed(Exception):
    """MiniStack ended, or did not answer in time; the message has the end of its log."""


def start_emulator(folder: Path) -> tuple[Child, str]:
    """Start MiniStack on a free port, wait until it answers, and return it with its address."""
    port = _free_port()
    work = folder / "tmp"
    work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ministack"]
    child = Child("ministack", command, _environment(port, work), folder / "ministack.log", folder)
    try:
        wait_for(lambda: _answers(child, port), _START_WITHIN_S, "MiniStack to answer")
    except BaseException:
        child.stop()
        raise
    return child, f"http://127.0.0.1:{port}"


def _environment(port: int, work: Path) -> dict[str, str]:
    """Only what MiniStack needs: it hands its environment on to every function.

    Among what must not get in: PYTHONDONTWRITEBYTECODE, which makes cold starts slow, and credentials.
    """
    return {
        "PATH": places.search_path(),
        "HOME": str(work),
        "TMPDIR": str(work),
        "LANG": "C.UTF-8",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        # Listens on a fixed port, so that a second MiniStack could not start.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(child: Child, port: int) -> bool:
    if not child.is_running:
        raise EmulatorFailed(f"MiniStack ended at once:\n{child.log_tail()}")
    try:
        url = f"http://127.0.0.1:{port}/_ministack/ready"
        return urllib3.request("GET", url, timeout=_ANSWER_WITHIN_S, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def scale_waits(endpoint: str, factor: float) -> None:
    """Make the state machines' waits shorter (or longer) by a factor, from the next wait on."""
    settings = {"stepfunctions._SFN_WAIT_SCALE": factor}
    answer = urllib3.request("POST", f"{endpoint}/_ministack/config", json=settings, retries=False)
    if answer.status != 200:
        raise EmulatorFailed(f"MiniStack refused to scale waits: {answer.status} {answer.data!r}")
