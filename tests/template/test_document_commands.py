"""The commands in the documents exist, with their options: of make, `adjust`, AWS's command line and SAM."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import click
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel
from samcli.commands.build.command import cli as build  # type: ignore[import-untyped]
from samcli.commands.deploy.command import cli as deploy  # type: ignore[import-untyped]
from samcli.commands.package.command import cli as package  # type: ignore[import-untyped]
from samcli.commands.publish.command import cli as publish  # type: ignore[import-untyped]

from cli.main import adjust
from tests.template.loading import ROOT

PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
SHELL = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:make|adjust|aws|sam|\.venv/bin/\w+) [^`\n]+)`")
NOT_IN_THE_MODELS = {("s3", "cp"), ("s3", "sync"), ("configure", "export-credentials")}
"""Commands of AWS's command line that are not an operation of a service."""

OF_ALL = {
    "--query", "--output", "--region", "--profile", "--no-paginate", "--cli-input-json", "--max-items",
}  # fmt: skip
MAKE_VARIABLE = re.compile(r"([A-Z][A-Z_]*)=")


def commands(page: Path) -> list[list[str]]:
    """The commands of a page's shell blocks, and those in its sentences, as words."""
    text = page.read_text()
    found: list[list[str]] = []
    for _, block in SHELL.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            found += _split(line)
    for span in SPAN.findall(SHELL.sub("", text)):
        found += _split(span)
    return found


def _split(line: str) -> Iterator[list[str]]:
    """The commands of a line: those in ``$(…)``, and those that ``&&`` or a pipe connect."""
    for inner in re.findall(r"\$\(((?:make|adjust|aws|sam) [^()]*(?:\([^()]*\)[^()]*)*)\)", line):
        yield from _split(inner)
    try:
        words = shlex.split(line.replace("…", ""), comments=True)
    except ValueError:
        return  # a line of a function or of a value that goes on
    command: list[str] = []
    for word in [*words, ";"]:
        if word in {"&&", "||", "|", ";", "&"}:
            if command:
                yield command
            command = []
        else:
            command.append(word.removesuffix(";"))


def of_program(*names: str) -> list[tuple[str, list[str]]]:
    """The commands of all pages that call a program, as (page, words after its name)."""
    return [
        (page.name, words[1:])
        for page in PAGES
        for words in commands(page)
        if words[0] in names or words[0] in {f".venv/bin/{name}" for name in names}
    ]


def show(found: tuple[str, list[str]]) -> str:
    return f"{found[0]}: {' '.join(found[1])}"


@cache
def makefile() -> str:
    return (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("found", of_program("make"), ids=show)
def test_make_has_the_target_and_its_variables(found: tuple[str, list[str]]):
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile(), re.MULTILINE))
    for word in found[1]:
        if variable := MAKE_VARIABLE.match(word):
            assert (
                f"$({variable[1]})" in makefile()
                or f"$(if $({variable[1]})" in makefile()
                or (variable[1] in {"PYTHON", "GAMEBALL_BASE_URL"})
            )
        else:
            assert word in targets


def _option_names(command: click.Command) -> set[str]:
    return {"--help", *(name for parameter in command.params for name in parameter.opts)}


@pytest.mark.parametrize("found", of_program("adjust"), ids=show)
def test_adjust_has_the_command_and_its_options(found: tuple[str, list[str]]):
    name, *words = found[1]
    if name.startswith("-"):
        assert name in _option_names(adjust)
        return
    command = adjust.commands[name]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert options <= _option_names(command)
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice):
            for option, value in pairwise(words):
                assert option not in parameter.opts or value in parameter.type.choices


@cache
def _service(name: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


@pytest.mark.parametrize("found", of_program("aws"), ids=show)
def test_aws_has_the_operation_and_its_options(found: tuple[str, list[str]]):
    service, operation, *words = found[1]
    if (service, operation) in NOT_IN_THE_MODELS:
        return
    model = _service(service)
    known = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(known[operation]).input_shape
    fields = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else {})}
    booleans = {f"--no-{field.removeprefix('--')}" for field in fields}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= fields | booleans | OF_ALL
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else ())}
    is_whole = any(word.startswith("--") for word in words)
    assert not is_whole or required <= used


@pytest.mark.parametrize("found", of_program("sam"), ids=show)
def test_sam_has_the_command_and_its_options(found: tuple[str, list[str]]):
    name, *words = found[1]
    command = {"build": build, "deploy": deploy, "package": package, "publish": publish}[name]
    assert {word for word in words if word.startswith("--")} <= _option_names(command)


def test_commands_of_the_pages_are_found():
    """Were the pages written otherwise, the tests above would check nothing."""
    assert len(of_program("make")) > 20
    assert len(of_program("adjust")) > 20
    assert len(of_program("aws")) > 15
    assert ["put-secret-value" in words for _, words in of_program("aws")].count(True) > 1
