"""The functions run on every Python that the template offers, as far as one can see without AWS.

Their packages are built for one interpreter at a time, so the others only compile the code. What another one
does at run time is shown by running the tests with it (`make setup PYTHON=python3.13`, then `make test`).
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.template.loading import ROOT, template

RUNTIMES: list[str] = template()["Parameters"]["Runtime"]["AllowedValues"]
SOURCES = [*sorted((ROOT / "functions").rglob("*.py")), *sorted((ROOT / "layers").rglob("*.py"))]
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
COMPILE = """
import sys
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as source:
        compile(source.read(), path, "exec", dont_inherit=True)
print(".".join(map(str, sys.version_info[:2])))
"""


def interpreter(runtime: str) -> str | None:
    """The program of a runtime's version, if this machine has one that runs."""
    kept_by_pyenv = sorted(PYENV.glob(f"versions/{runtime.removeprefix('python')}.*/bin/python"))
    found = [shutil.which(runtime), *map(str, kept_by_pyenv)]
    return next((program for program in found if program and _runs(program, runtime)), None)


def _runs(program: str, runtime: str) -> bool:
    """A shim of pyenv is on the PATH and runs nothing where its version is not chosen."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return told.stdout.startswith(f"Python {runtime.removeprefix('python')}.")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_source_compiles(runtime: str):
    program = interpreter(runtime)
    if program is None:
        pytest.skip(f"{runtime} is not on this machine")
    done = subprocess.run(
        [program, "-W", "error", "-c", COMPILE, *map(str, SOURCES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"python{done.stdout.strip()}" == runtime


def test_a_fault_would_be_seen(tmp_path: Path):
    broken = tmp_path / "broken.py"
    broken.write_text("match = (\n")
    program = next(program for runtime in RUNTIMES if (program := interpreter(runtime)))
    done = subprocess.run([program, "-c", COMPILE, str(broken)], capture_output=True, check=False)
    assert done.returncode != 0


def test_the_sources_are_those_that_are_deployed():
    assert len(SOURCES) > 60
    assert all(re.search(r"/(functions|layers)/", str(path)) for path in SOURCES)
