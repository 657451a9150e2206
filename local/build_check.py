"""Checks that a build runs on the runtime and the processor that it is deployed to.

A package that was built for another Python or processor is uploaded without complaint, and fails when a
function imports it.
"""

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag
from packaging.utils import canonicalize_name

from local import environment

LAYER: Final = Path("AdjustmentsLayer", "python")
REQUIREMENTS: Final = environment.ROOT / "layers" / "adjustments" / "requirements.txt"
IN_LAMBDAS_RUNTIME: Final = ("boto3", "botocore", "s3transfer", "dateutil", "six")
"""What Lambda brings of what the functions import. urllib3 is in the layer, which comes first on the path."""

MACHINES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's names of processors, and Linux's."""

_ELF_MACHINES: Final = {"aarch64": 183, "x86_64": 62}
_ELF_MACHINE_AT: Final = 18
_GLIBC_MINOR: Final = {(3, 11): 26}
"""Amazon Linux 2. Later Pythons run on Amazon Linux 2023 (Lambda's guide, "Lambda runtimes")."""

_GLIBC_MINOR_LATER: Final = 34
_GLIBC_MINOR_OLDEST: Final = 5
_LEGACY_PLATFORMS: Final = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
_ABI: Final = re.compile(r"\.cpython-(\d)(\d+)t?-(\w+)-linux-gnu\.so$")
_IMPORT_WITHIN_S: Final = 60.0
_IMPORT: Final = """
import sys
sys.path[:0] = sys.argv[1:]
import app, pydantic, urllib3
assert callable(app.handler), "app.handler is no function"
for package in (pydantic, urllib3):
    assert package.__file__.startswith(sys.argv[2]), f"{package.__name__} is not in the layer"
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """What the functions run on: the template's parameters ``Runtime`` and ``Architecture``."""

    runtime: str
    architecture: str

    @property
    def version(self) -> tuple[int, int]:
        """Python's version."""
        major, minor = self.runtime.removeprefix("python").split(".")
        return int(major), int(minor)

    @property
    def machine(self) -> str:
        """Linux's name of the processor."""
        return MACHINES[self.architecture]

    @property
    def is_this_processor(self) -> bool:
        """Whether this machine runs its binaries."""
        here = platform.machine().lower()
        return platform.system() == "Linux" and {"arm64": "aarch64"}.get(here, here) == self.machine

    def tags(self) -> frozenset[Tag]:
        """The tags of the wheels that run on it."""
        newest = _GLIBC_MINOR.get(self.version, _GLIBC_MINOR_LATER)
        names = [f"manylinux_2_{minor}" for minor in range(newest, _GLIBC_MINOR_OLDEST - 1, -1)]
        platforms = [f"{name}_{self.machine}" for name in (*names, *_LEGACY_PLATFORMS)]
        abi = f"cp{self.version[0]}{self.version[1]}"
        return frozenset(
            (
                *cpython_tags(self.version, abis=[abi], platforms=platforms),
                *compatible_tags(self.version, interpreter=abi, platforms=platforms),
            )
        )

    def __str__(self) -> str:
        return f"{self.runtime} on {self.architecture}"


def find_interpreter(runtime: str, search_path: str) -> str | None:
    """The program of a runtime's Python on a search path, where it runs."""
    for folder in search_path.split(os.pathsep):
        program = Path(folder, runtime)
        if program.is_file() and _runs(program, runtime):
            return str(program)
    return None


def _runs(program: Path, runtime: str) -> bool:
    """Whether it is that Python. A shim of pyenv runs nothing where its version is not chosen."""
    try:
        printed = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return printed.stdout.startswith(f"Python {runtime.removeprefix('python')}.")


def check_build(
    built: Path, target: Platform, interpreter: str | None, requirements: Path = REQUIREMENTS
) -> list[str]:
    """Check a build folder.

    Args:
        built: the folder with the built template.
        target: what is deployed to.
        interpreter: the target's Python on this machine, None where there is none.
        requirements: the pinned packages of the layer.

    Returns:
        A line for each problem.
    """
    built = built.resolve()
    functions = sorted(path.parent for path in built.glob("*/app.py"))
    if not functions or not (built / LAYER).is_dir():
        return [f"{built}: there are no functions or no layer; `sam build` has not ended well"]
    problems = [
        *_check_wheels(built, target),
        *_check_binaries(built, target),
        *_check_requirements(built / LAYER, requirements),
    ]
    if interpreter is not None:
        problems += _check_bytecode(built, target)
        if target.is_this_processor and not problems:
            problems += _check_imports(built, functions, interpreter)
    return problems


def _check_wheels(built: Path, target: Platform) -> Iterator[str]:
    tags = target.tags()
    for path in sorted(built.rglob("*.dist-info/WHEEL")):
        supported = [str(tag) for tag in HeaderParser().parsestr(path.read_text()).get_all("Tag", [])]
        if not any(tags & parse_tag(tag) for tag in supported):
            package = path.parent.name.removesuffix(".dist-info")
            yield f"{package}: built for {', '.join(supported)}; {target} can't load it"


def _check_binaries(built: Path, target: Platform) -> Iterator[str]:
    for path in sorted(path for path in built.rglob("*.so*") if path.is_file()):
        shown = path.relative_to(built)
        header = path.read_bytes()[: _ELF_MACHINE_AT + 2]
        machine = int.from_bytes(header[_ELF_MACHINE_AT:], "little")
        if header[:4] != b"\x7fELF" or machine != _ELF_MACHINES[target.machine]:
            yield f"{shown}: no binary for {target.architecture}"
        elif (abi := _ABI.search(path.name)) and (int(abi[1]), int(abi[2])) != target.version:
            yield f"{shown}: built for Python {abi[1]}.{abi[2]}, not for {target.runtime}"


def _check_requirements(layer: Path, requirements: Path) -> Iterator[str]:
    """Each pinned package is there in that version."""
    found = {
        canonicalize_name(name): version
        for path in layer.glob("*.dist-info")
        for name, _, version in [path.name.removesuffix(".dist-info").rpartition("-")]
    }
    for line in requirements.read_text().splitlines():
        if "==" in line and not line.lstrip().startswith("#"):
            wanted = Requirement(line.partition("\\")[0].strip())
            version = found.get(canonicalize_name(wanted.name))
            if version is None:
                yield f"the layer has no {wanted.name}"
            elif not wanted.specifier.contains(version, prereleases=True):
                yield f"the layer has {wanted.name} {version}, pinned is {wanted.specifier}"


def _check_bytecode(built: Path, target: Platform) -> Iterator[str]:
    """Each module has the bytecode of the target's Python: a function can't store any."""
    suffix = f"cpython-{target.version[0]}{target.version[1]}.pyc"
    missing = [
        path
        for path in built.rglob("*.py")
        if not (path.parent / "__pycache__" / f"{path.stem}.{suffix}").is_file()
    ]
    if missing:
        shown = missing[0].relative_to(built)
        yield f"{len(missing)} modules have no bytecode of {target.runtime}, among them {shown}"


def _check_imports(built: Path, functions: list[Path], interpreter: str) -> Iterator[str]:
    """Each function is imported where nothing is on the path but its code, the layer and Lambda's runtime."""
    with tempfile.TemporaryDirectory() as runtime:
        _link_lambdas_runtime(Path(runtime))
        for function in functions:
            done = subprocess.run(
                [interpreter, "-I", "-S", "-B", "-c", _IMPORT, function, built / LAYER, runtime],
                env={"AWS_DEFAULT_REGION": environment.REGION, "POWERTOOLS_SERVICE_NAME": function.name},
                capture_output=True,
                text=True,
                check=False,
                timeout=_IMPORT_WITHIN_S,
            )
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
                yield f"{function.name}: can't be imported: {reason}"


def _link_lambdas_runtime(folder: Path) -> None:
    for name in IN_LAMBDAS_RUNTIME:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise LookupError(f"{name} is not installed; run `make setup`")
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)
