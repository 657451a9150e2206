"""Starts MiniStack, the AWS emulator, as a process."""

import socket
import sys
from pathlib import Path

import urllib3

from local import environment
from local.certificate import Certificate
from local.environment import ACCESS_KEY, REGION, SECRET_KEY
from local.processes import SupervisedProcess, wait_for

_START_WITHIN_S = 30.0
_ANSWER_WITHIN_S = 5.0


class EmulatorFailed(Exception):
    """MiniStack ended, or answered with an error; the message has the end of its log."""


def start_emulator(folder: Path, certificate: Certificate | None = None) -> tuple[SupervisedProcess, str]:
    """Start MiniStack on a free port and wait until it answers.

    It enforces IAM policies for all but the root account (ACCESS_KEY).

    Args:
        folder: folder for its log and files.
        certificate: certificate for TLS; None for plain HTTP.

    Returns:
        The process, and the address of the endpoint.
    """
    port = _free_port()
    work = folder / "tmp"
    work.mkdir(parents=True, exist_ok=True)
    # -P keeps this folder off the search path: MiniStack would import modules of ours for its own.
    command = [sys.executable, "-P", str(Path(__file__).with_name("emulator_process.py"))]
    child = SupervisedProcess(
        "ministack", command, _environment(port, work, certificate), folder / "ministack.log", folder
    )
    endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(child, endpoint, certificate), _START_WITHIN_S, "MiniStack to answer")
    except BaseException:
        child.stop()
        raise
    return child, endpoint


def _environment(port: int, work: Path, certificate: Certificate | None) -> dict[str, str]:
    """Only the variables that MiniStack needs, since every function gets them, too.

    PYTHONDONTWRITEBYTECODE would make cold starts slow, and the user's credentials must not get in. The two
    keys are those of the root account; functions get the keys of their roles.
    """
    return {
        "PATH": environment.search_path(),
        "HOME": str(work),
        "TMPDIR": str(work),
        "LANG": "C.UTF-8",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        # They listen on a fixed port, so that a second MiniStack could not start.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        **(_tls(certificate) if certificate else {}),
    }


def _tls(certificate: Certificate) -> dict[str, str]:
    """MiniStack's settings for TLS. It also listens on port 443 of loopback where it can."""
    return {
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate.path),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "AWS_CA_BUNDLE": str(certificate.path),  # for the functions
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(child: SupervisedProcess, endpoint: str, certificate: Certificate | None) -> bool:
    if not child.is_running:
        raise EmulatorFailed(f"MiniStack ended during its start:\n{child.log_tail()}")
    try:
        http = _http(certificate.path if certificate else None)
        url = f"{endpoint}/_ministack/ready"
        return http.request("GET", url, timeout=_ANSWER_WITHIN_S, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _http(ca_bundle: Path | None) -> urllib3.PoolManager:
    return urllib3.PoolManager(ca_certs=str(ca_bundle)) if ca_bundle else urllib3.PoolManager()


def scale_waits(endpoint: str, factor: float, ca_bundle: Path | None = None) -> None:
    """Scale the waits of state machines by a factor, from the next wait on."""
    settings = {"stepfunctions._SFN_WAIT_SCALE": factor}
    url = f"{endpoint}/_ministack/config"
    answer = _http(ca_bundle).request("POST", url, json=settings, retries=False)
    if answer.status != 200:
        raise EmulatorFailed(f"MiniStack did not scale waits: {answer.status} {answer.data!r}")
