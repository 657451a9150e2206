"""The template, as it is written and as SAM expands it."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
LOCAL_PATHS = {"CodeUri", "ContentUri", "DefinitionUri"}

Resource = dict[str, Any]


@cache
def template() -> dict[str, Any]:
    """The template as it is written."""
    loaded: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    return loaded


@cache
def expanded(uploaded: str = "uploaded", **parameters: str) -> dict[str, Any]:
    """The template as CloudFormation gets it, with all that SAM adds.

    Args:
        uploaded: the name under which the layer's code was uploaded: another one for other code.
        parameters: those with other values than by default.
    """
    source = copy.deepcopy(template())
    for resource in source["Resources"].values():
        is_layer = resource["Type"] == "AWS::Serverless::LayerVersion"
        for name in LOCAL_PATHS & resource.get("Properties", {}).keys():
            resource["Properties"][name] = f"s3://somewhere/{uploaded if is_layer else 'uploaded'}"
    defaults = {name: parameter["Default"] for name, parameter in source["Parameters"].items()} | parameters
    session = boto3.Session(region_name=REGION)  # SAM asks it for the region alone
    made: dict[str, Any] = Translator({}, Parser(), boto_session=session).translate(source, defaults)
    return made


def resources(type_: str, source: dict[str, Any] | None = None) -> dict[str, Resource]:
    """The resources of a type by logical id; of the written template where no other is given."""
    every = (source or template())["Resources"]
    return {name: resource for name, resource in every.items() if resource["Type"] == type_}


def properties(type_: str, source: dict[str, Any] | None = None) -> dict[str, Any]:
    """The properties of the resources of a type by logical id."""
    return {name: resource.get("Properties", {}) for name, resource in resources(type_, source).items()}


def walk(node: Any) -> Iterator[Any]:
    """A node and everything below it."""
    yield node
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from walk(child)
