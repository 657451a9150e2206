"""What `sam build` made for the local stack stands on its own.

MiniStack runs functions in our interpreter, with all that is installed there: a package that the layer
lacks would be missed on AWS only. So each function is imported in an interpreter that sees nothing but the
build folders, and the packages that Lambda's own runtime has.
"""

import platform
import sys

from local import environment
from local.build_check import Platform, check_build
from local.stack import LocalStack

BUILT = environment.BUILD_FOLDER / "build"
HERE = Platform(
    f"python{sys.version_info.major}.{sys.version_info.minor}",
    "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
)


def test_what_is_built_fits_this_machine_and_every_function_is_imported(running_stack: LocalStack) -> None:
    assert check_build(BUILT, HERE, sys.executable) == []


def test_same_build_would_be_refused_on_another_python_and_on_another_processor(
    running_stack: LocalStack,
) -> None:
    other = Platform("python3.13" if HERE.runtime != "python3.13" else "python3.12", HERE.architecture)
    assert any("can't load it" in problem for problem in check_build(BUILT, other, None))
    arm = Platform(HERE.runtime, "arm64" if HERE.architecture == "x86_64" else "x86_64")
    assert any(f"no binary for {arm.architecture}" in problem for problem in check_build(BUILT, arm, None))
