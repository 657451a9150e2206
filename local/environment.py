"""Paths of the checkout, and the region and keys of the emulated AWS."""

import os
import sys
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
SAM_CONFIG = ROOT / "samconfig.toml"
SAMPLES = ROOT / "events"
STATE = ROOT / ".local"
"""What the local run leaves behind: logs, results of the demo, the state of `make up`. Not in git."""
TOOLS = Path(sys.prefix) / "bin"
"""The environment's programs, among them the interpreter under the name that SAM looks for."""

REGION: Final = "eu-central-1"
"""Also in samconfig.toml; the functions get it from MiniStack."""
# The root account's, as MiniStack is told at its start; these are not secret.
ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "test"  # noqa: S105


def search_path() -> str:
    """A PATH on which this environment's programs come first."""
    return os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)])
