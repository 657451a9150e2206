"""A build that would not run on AWS is found before it is deployed."""

import struct
import sys
from pathlib import Path

import pytest
from packaging.tags import parse_tag

from local.build_check import LAYER, Platform, check_build, find_interpreter

ARM = Platform("python3.13", "arm64")
INTEL = Platform("python3.13", "x86_64")
OLD = Platform("python3.11", "x86_64")
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
ELF = {"arm64": 183, "x86_64": 62}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A build of one function and a layer with one package, for python3.13 on arm64."""
    (tmp_path / "Notify").mkdir()
    (tmp_path / "Notify" / "app.py").write_text("def handler(event, context): ...\n")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# by pip-compile\nfast-core==1.2 \\\n    --hash=sha256:0\n")
    add_wheel(tmp_path, "cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64")
    add_binary(tmp_path, "core.cpython-313-aarch64-linux-gnu.so", "arm64")
    return tmp_path


def problems_of(built: Path, interpreter: str | None = None) -> list[str]:
    return check_build(built, ARM, interpreter, built / "requirements.txt")


def add_wheel(built: Path, *tags: str, name: str = "fast_core-1.2") -> None:
    folder = built / LAYER / f"{name}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"Tag: {tag}\n" for tag in tags)
    (folder / "WHEEL").write_text(f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{lines}")


def add_binary(built: Path, name: str, processor: str) -> None:
    header = b"\x7fELF" + bytes(14) + struct.pack("<H", ELF[processor]) + bytes(40)
    (built / LAYER / name).write_bytes(header)


def test_build_that_fits_has_no_problem(built: Path):
    assert problems_of(built) == []


@pytest.mark.parametrize(
    ("tag", "target", "fits"),
    [
        ("py3-none-any", OLD, True),
        ("py2.py3-none-any", ARM, True),
        ("cp313-cp313-manylinux_2_17_aarch64", ARM, True),
        ("cp39-abi3-manylinux2014_aarch64", ARM, True),
        ("cp313-cp313-manylinux_2_34_x86_64", INTEL, True),
        ("cp311-cp311-manylinux_2_26_x86_64", OLD, True),
        ("cp313-cp313-linux_x86_64", INTEL, True),
        ("cp311-cp311-manylinux_2_28_x86_64", OLD, False),  # Amazon Linux 2
        ("cp313-cp313-manylinux_2_35_x86_64", INTEL, False),
        ("cp311-cp311-manylinux2014_aarch64", ARM, False),
        ("cp314-abi3-manylinux2014_aarch64", ARM, False),
        ("cp313-cp313t-manylinux2014_aarch64", ARM, False),
        ("cp313-cp313-manylinux2014_x86_64", ARM, False),
        ("cp313-cp313-musllinux_1_2_aarch64", ARM, False),
        ("cp313-cp313-macosx_11_0_arm64", ARM, False),
        ("cp313-cp313-win_amd64", INTEL, False),
    ],
)
def test_wheel_fits_by_its_tag(tmp_path: Path, tag: str, target: Platform, fits: bool):
    assert bool(target.tags() & parse_tag(tag)) == fits


def test_package_for_another_python_is_named_with_what_it_was_built_for(built: Path):
    add_wheel(built, "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64")
    [problem] = problems_of(built)
    assert problem == (
        "fast_core-1.2: built for cp311-cp311-manylinux_2_17_x86_64, cp311-cp311-manylinux2014_x86_64; "
        "python3.13 on arm64 can't load it"
    )


@pytest.mark.parametrize(
    ("name", "processor", "problem"),
    [
        ("other.cpython-313-aarch64-linux-gnu.so", "x86_64", "no binary for arm64"),
        ("other.abi3.so", "x86_64", "no binary for arm64"),
        ("libother.so.1", "x86_64", "no binary for arm64"),
        ("other.cpython-311-aarch64-linux-gnu.so", "arm64", "built for Python 3.11, not for python3.13"),
    ],
)
def test_binary_of_another_processor_or_python_is_found(built: Path, name: str, processor: str, problem: str):
    add_binary(built, name, processor)
    assert problems_of(built) == [f"{LAYER / name}: {problem}"]


def test_binary_that_is_none_is_found(built: Path):
    (built / LAYER / "text.so").write_text("INPUT(libreal.so)")
    assert problems_of(built) == [f"{LAYER / 'text.so'}: no binary for arm64"]


def test_package_that_is_missing_or_of_another_version_is_found(built: Path):
    (built / LAYER / "fast_core-1.2.dist-info").rename(built / LAYER / "fast_core-1.3.dist-info")
    assert problems_of(built) == ["the layer has fast-core 1.3, pinned is ==1.2"]
    (built / LAYER / "fast_core-1.3.dist-info").rename(built / LAYER / "slow-1.3.dist-info")
    assert problems_of(built) == ["the layer has no fast-core"]


def test_bytecode_of_another_python_is_found(built: Path):
    cache = built / "Notify" / "__pycache__"
    cache.mkdir()
    (cache / "app.cpython-311.pyc").touch()
    problem = f"1 modules have no bytecode of python3.13, among them {Path('Notify', 'app.py')}"
    assert problems_of(built, "python3.13") == [problem]


def test_folder_without_a_build_is_a_problem(tmp_path: Path):
    [problem] = problems_of(tmp_path)
    assert "`sam build` has not ended well" in problem


def test_interpreter_is_found_where_it_runs(tmp_path: Path):
    shim = tmp_path / HERE
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert find_interpreter(HERE, str(tmp_path)) is None
    real = Path(sys.executable).parent
    assert find_interpreter(HERE, f"{tmp_path}:{real}") == str(real / HERE)
