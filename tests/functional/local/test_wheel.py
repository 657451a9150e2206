"""The operator's command as strangers install it: from its wheel, with nothing else of the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("pyproject.toml", "LICENSE", "cli", "layers/adjustments/adjustments")
RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from cli.main import main; sys.exit(main())"
WHERE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import cli.output; from adjustments.core import ids; "
    "print(cli.__file__, ids.__file__)"
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in SOURCES:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, target)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, *options, "--wheel-dir", str(source), str(source)], check=True, cwd=source)
    [wheel] = source.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", code, str(installed), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, timeout=60)


def test_wheel_brings_all_of_the_project_that_the_command_imports(installed: Path):
    found = run(installed, WHERE)
    assert found.stderr == ""
    assert [Path(path).is_relative_to(installed) for path in found.stdout.split()] == [True, True]


def test_command_of_the_wheel_shows_its_help(installed: Path):
    shown = run(installed, RUN, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "submit" in shown.stdout


def test_command_of_the_wheel_says_where_it_looked_for_a_stack(installed: Path):
    shown = run(installed, RUN, "list", "--local")
    assert shown.returncode != 0
    assert "Traceback" not in shown.stderr


def test_command_of_the_wheel_needs_no_package_that_it_does_not_ask_for(installed: Path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import cli.main; "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'aws_lambda_powertools', 'local'})"
    )
    found = run(installed, code)
    assert (found.stdout.strip(), found.stderr) == ("", "")


def test_command_of_the_wheel_knows_what_a_transaction_may_be(installed: Path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from cli import transaction_command; "
        "import adjustments.manual_transactions.model as model; print(model.__file__)"
    )
    found = run(installed, code)
    assert found.stderr == ""
    assert Path(found.stdout.strip()).is_relative_to(installed)


def test_wheel_brings_the_console_with_its_pages(installed: Path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from cli.console import app, pages, row_reasons; "
        "print(row_reasons.RowsView.__module__, *(path.name for path in pages.STATIC.parent.rglob('*.*')))"
    )
    found = run(installed, code)
    assert found.stderr == ""
    assert {"base.html", "console.css", "htmx-2.0.11.min.js"} <= set(found.stdout.split())


def test_wheel_holds_the_licence_and_no_code_of_the_functions(installed: Path):
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "bootstrap" in name or "submission/" in name]
