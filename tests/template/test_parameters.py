"""The tables of parameters and outputs are those of the template."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOYMENT = ROOT / "docs" / "deployment.md"

ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short functions (``!Ref x``) as nothing: only plain values are compared."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def template_section(name: str) -> dict[str, Any]:
    section: dict[str, Any] = _TemplateLoader((ROOT / "template.yaml").read_text()).get_single_data()[name]
    return section


def documented_table(heading: str) -> list[tuple[str, str]]:
    """The first two columns of the table below a heading."""
    section = DEPLOYMENT.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return ROW.findall(section)


def shown(default: object) -> str:
    return f"`{default}`" if default != "" else "*empty*"


def test_parameters_and_their_defaults_are_those_of_the_template():
    parameters = template_section("Parameters")
    expected = [(name, shown(parameter["Default"])) for name, parameter in parameters.items()]
    assert sorted(documented_table("Parameters")) == sorted(expected)


def test_outputs_are_those_of_the_template():
    named = [name for name, _ in documented_table("Outputs")]
    assert sorted(named) == sorted(template_section("Outputs"))
