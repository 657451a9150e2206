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
"""Logs, results of the demo and the state of `make up`; not in git."""
BUILD_FOLDER = STATE / "sam"
"""Where local stacks are built: not in .aws-sam, which is what is deployed to AWS."""
TOOLS = Path(sys.prefix) / "bin"
"""Programs of the virtual environment, including the interpreter that SAM needs."""

REGION: Final = "eu-central-1"
"""Also in samconfig.toml; the functions get it from MiniStack."""
# The root account's, which MiniStack gets at its start; these are not secret.
ACCESS_KEY: Final = "test"
SECRET_KEY: Final = "test"  # noqa: S105


def search_path() -> str:
    """A PATH that starts with the programs of the virtual environment."""
    return os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)])
