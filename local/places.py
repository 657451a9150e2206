"""Where things lie in the checkout."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
SAM_CONFIG = ROOT / "samconfig.toml"
SAMPLES = ROOT / "events"
STATE = ROOT / ".local"
"""What the local run leaves behind: logs, results of the demo, the state of `make up`. Not in git."""
TOOLS = Path(sys.prefix) / "bin"
"""The environment's programs, among them the interpreter under the name that SAM looks for."""


def search_path() -> str:
    """A PATH on which this environment's programs come first."""
    return os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath)])
