"""What `sam build` made stands on its own.

MiniStack runs functions in our interpreter, with all that is installed there: a package that the layer
lacks would be missed on AWS only. So each function is imported in an interpreter that sees nothing but the
build folders, and the packages that Lambda's own runtime has.
"""

import subprocess
import sys
from importlib.util import cache_from_source, find_spec
from pathlib import Path

import pytest

from local import environment
from local.stack import LocalStack

BUILD = environment.ROOT / ".aws-sam" / "build"
FUNCTIONS = sorted(path.parent.name for path in (environment.ROOT / "functions").glob("*/app.py"))
IN_LAMBDAS_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six")
# Lambda's layers come before its runtime on the path.
CODE = """
import sys
sys.path[:0] = sys.argv[1:]
import app, pydantic, urllib3
assert callable(app.handler)
print(pydantic.__file__, urllib3.__file__)
"""


def test_what_is_built_carries_its_bytecode_for_a_function_cannot_keep_any(running_stack: LocalStack) -> None:
    sources = [path for path in BUILD.rglob("*.py") if "__pycache__" not in path.parts]
    missing = [str(path) for path in sources if not Path(cache_from_source(path)).is_file()]
    assert (len(sources) > 100, missing) == (True, [])


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what Lambda's runtime has, and no more."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in IN_LAMBDAS_RUNTIME:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)
    return folder


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_built_function_finds_all_it_needs(running_stack: LocalStack, runtime: Path, name: str) -> None:
    logical_id = "".join(word.capitalize() for word in name.split("_"))
    layer = BUILD / "AdjustmentsLayer" / "python"
    environment = {"AWS_DEFAULT_REGION": "eu-central-1", "POWERTOOLS_SERVICE_NAME": name}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE, str(BUILD / logical_id), str(layer), str(runtime)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(Path(origin).is_relative_to(layer) for origin in done.stdout.split())
