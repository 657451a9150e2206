"""`adjust console` as a process: it serves until Ctrl-C and leaves nothing, or says why it can't."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import main
from cli.stack import Stack
from tests.fakes.batch_api import FakeStack

ROOT = Path(__file__).resolve().parents[3]
SERVED = """
import cli
from cli.console.server import serve
from tests.fakes.batch_api import FakeStack
serve(FakeStack("http://127.0.0.1:1/live"), 0, lambda address: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SERVED]
    pipe = subprocess.PIPE
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        yield process
        process.kill()


def test_it_serves_on_loopback_and_ends_at_ctrl_c_with_nothing_left(
    server: "subprocess.Popen[str]", tmp_path: Path
):
    assert server.stdout is not None
    assert server.stderr is not None
    address = server.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as opened:
        assert opened.status == 200
        assert "server" not in opened.headers
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=20) == 0
    assert server.stdout.read() == "ended\n"
    assert server.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(address)


def test_a_port_that_is_taken_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(Stack, "at", lambda where: FakeStack("http://127.0.0.1:1/live"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["console", "--port", str(port)]) == 2
    assert f"port {port} can't be used" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in [name for name in sys.modules if name.startswith("cli.console.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    assert main(["console"]) == 2
    assert "pip install 'gameball-adjustments-cli[console]'" in capsys.readouterr().err
