"""What the documents say of the template, of files and of tests is true."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)
CITED_TEST = re.compile(r"`((?:unit|functional|e2e|contract|simulation|template)/[\w/]+\.py)(?:::(\w+))?`")


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short functions (``!Ref x``) as nothing: only plain values are compared."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def template_section(name: str) -> dict[str, Any]:
    section: dict[str, Any] = _TemplateLoader((ROOT / "template.yaml").read_text()).get_single_data()[name]
    return section


def readme_table(heading: str) -> list[tuple[str, str]]:
    """The first two columns of the table below a heading."""
    section = README.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return ROW.findall(section)


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    headings = HEADING.findall(FENCED.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(default: object) -> str:
    return f"`{default}`" if default != "" else "*empty*"


def test_parameters_and_their_defaults_are_those_of_the_template():
    parameters = template_section("Parameters")
    expected = [(name, shown(parameter["Default"])) for name, parameter in parameters.items()]
    assert sorted(readme_table("Parameters")) == sorted(expected)


def test_outputs_are_those_of_the_template():
    named = [name for name, _ in readme_table("Outputs")]
    assert sorted(named) == sorted(template_section("Outputs"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_relative_link_is_dead(path: Path):
    dead = []
    for link in LINK.findall(FENCED.sub("", path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_each_test_that_a_document_names_exists(path: Path):
    missing = [
        f"{file}::{function}"
        for file, function in CITED_TEST.findall(path.read_text())
        if not (TESTS / file).is_file() or (function and f"def {function}(" not in (TESTS / file).read_text())
    ]
    assert missing == []
