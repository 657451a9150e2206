"""The real thing for the contract tests: a bare MiniStack, and in it what the adapters need.

Nothing is deployed to it: it is up within a second, so that the contract tests need not wait for the stack of
the end-to-end tests. The table's keys and indexes are those of the template.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.aws import Aws
from local.emulator import start_emulator
from local.environment import REGION

ROOT = Path(__file__).parents[2]
_TABLE_PROPERTIES = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as nothing: the table's keys are plain values."""


_TemplateLoader.add_multi_constructor("!", lambda loader, suffix, node: None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for ``kind`` with the fake and with the real thing."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", ["memory", "real"])


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """The clients of a MiniStack of this test run's own."""
    child, endpoint = start_emulator(tmp_path_factory.mktemp("ministack"))
    with child:
        yield Aws(endpoint, REGION)


@pytest.fixture(scope="session")
def table_properties() -> dict[str, Any]:
    """The table as the template has it, in the words of CreateTable."""
    template = _TemplateLoader((ROOT / "template.yaml").read_text()).get_single_data()
    properties = template["Resources"]["Table"]["Properties"]
    return {name: properties[name] for name in _TABLE_PROPERTIES}


@pytest.fixture
def make_table(aws: Aws, table_properties: dict[str, Any]) -> Callable[[], str]:
    """Makes an empty table of the template's kind; returns its name."""

    def make() -> str:
        name = f"table-{uuid.uuid4().hex}"
        aws.dynamodb.create_table(TableName=name, **table_properties)
        return name

    return make


@pytest.fixture
def bucket(aws: Aws) -> str:
    """An empty bucket with versions."""
    name = f"bucket-{uuid.uuid4().hex}"
    aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
