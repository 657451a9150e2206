"""docs/openapi.yaml is made to generate clients and pages from: each object has a name and an example."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from tests.template.loading import ROOT

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
NO_SCHEMAS = {"example", "examples", "default", "const", "enum"}
"""Keywords whose values are data."""


def objects(found: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The places of all schemas of objects."""
    if isinstance(found, list):
        for number, item in enumerate(found):
            yield from objects(item, (*place, str(number)))
    if isinstance(found, dict):
        if "object" in _types(found):
            yield place
        for name, value in found.items():
            if name not in NO_SCHEMAS:
                yield from objects(value, (*place, name))


def _types(schema: dict[str, Any]) -> list[Any]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


def test_every_object_is_a_named_schema():
    named = {("components", "schemas", name) for name in SCHEMAS}
    assert [place for place in objects(DOCUMENT) if place not in named] == []
    assert len(list(objects(DOCUMENT))) > 40


@pytest.mark.parametrize("name", [place[-1] for place in objects(DOCUMENT)])
def test_an_object_is_described_and_has_a_good_example(name: str):
    schema = SCHEMAS[name]
    assert schema["description"]
    whole = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    for example in schema["examples"]:
        assert [error.message for error in validator.iter_errors(example)] == []
        known = set(schema.get("properties", example))
        assert set(example) <= known or name.startswith("Gameball"), "a field that is not described"


def test_a_nested_object_and_a_bad_example_are_noticed():
    nested = {"properties": {"a": {"type": ["object", "null"]}}, "examples": [{"type": "object"}]}
    assert list(objects(nested)) == [("properties", "a")]


def test_every_name_is_used():
    text = json.dumps(DOCUMENT)
    assert [name for name in SCHEMAS if f'"#/components/schemas/{name}"' not in text] == []
