"""The deployed API against docs/openapi.yaml, by calls that nobody thought of (schemathesis, all checks)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import environment
from local.stack import LocalStack
from local.standin_client import StandInClient

HERE = Path(__file__).parent
SECONDS_MAX = 240


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_the_api_keeps_its_contract(
    stack: LocalStack, standin: StandInClient, tmp_path: Path, mode: str
) -> None:
    standin.open_customers([{"customerId": "player-00325", "balance": 1_000_000}])
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "SCHEMATHESIS_HOOKS": "tests.e2e.schemathesis_hooks",
        "PYTHONPATH": str(environment.ROOT),
        "REQUESTS_CA_BUNDLE": str(stack.aws.ca_bundle),
    }
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", str(environment.ROOT / "docs" / "openapi.yaml")),
        *("--url", stack.aws.local_api_url(stack.outputs["ApiUrl"])),
        *("--mode", mode),
    ]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
