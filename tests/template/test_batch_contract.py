"""What the API tells of a batch is what docs/openapi.yaml describes, and nothing besides."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from adjustments.administration.service import ApprovalRequest, PageRequest, RowPageRequest
from adjustments.batches.records import Batch
from adjustments.core import exact_json
from adjustments.core.errors import OutcomeUnknown
from adjustments.reconciliation.resolution import ResolveRequest
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World
from tests.template.loading import ROOT

COMPONENTS: dict[str, Any] = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())["components"]
SCHEMAS: dict[str, Any] = COMPONENTS["schemas"]
TWO = "customerId,amount\na,1.5\nb,-2\n"
Story = Callable[[], tuple[World, Batch]]


def waiting() -> tuple[World, Batch]:
    world = World(MemoryGameball(), approval_above_rows=1)
    return world, world.drop(TWO)


def under_way() -> tuple[World, Batch]:
    gameball = MemoryGameball()
    world = World(gameball, canary_rows=1)
    batch = world.drop(TWO)
    world.clock.sleep(1)
    world.poller.poll(batch.batch_id, world.clock.now())
    world.clock.sleep(1)
    world.sender.submit(batch.batch_id, world.clock.now() + timedelta(seconds=1))
    return world, batch


def completed() -> tuple[World, Batch]:
    world, batch = waiting()
    world.administration.approve(batch.batch_id, "ann", ApprovalRequest())
    return world, world.run(batch)


def validated() -> tuple[World, Batch]:
    world = World(MemoryGameball())
    return world, world.run(world.drop(TWO, dry_run="true"))


def rejected() -> tuple[World, Batch]:
    world = World(MemoryGameball())
    return world, world.run(world.drop("hello\n"))


def partly_resolved() -> tuple[World, Batch]:
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    batch = world.run(world.drop(TWO))
    world.administration.resolve(
        batch.batch_id, "ann", ResolveRequest(outcome="applied", lines=(2,), note="seen")
    )
    return world, batch


STORIES = [waiting, under_way, completed, validated, rejected, partly_resolved]


def check(told: Any, *names: str) -> None:
    travelled = json.loads(exact_json.write(told))
    for name in names:
        schema = {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}
        assert [error.message for error in Draft202012Validator(schema).iter_errors(travelled)] == []
    described = {field for name in names for field in SCHEMAS[name]["properties"]}
    assert set(travelled) - described == set()


@pytest.mark.parametrize("story", STORIES)
def test_one_batch_is_told_as_described(story: Story):
    world, batch = story()
    check(world.administration.show(batch.batch_id), "Batch", "BatchInFull")


@pytest.mark.parametrize("story", STORIES)
def test_batches_on_a_list_are_told_as_described(story: Story):
    world, _ = story()
    for told in world.administration.list_batches(PageRequest(limit=10))["batches"]:
        check(told, "Batch")


@pytest.mark.parametrize("story", STORIES)
def test_rows_of_a_batch_are_told_as_described_also_while_it_is_under_way(story: Story):
    world, batch = story()
    told = world.administration.list_rows(batch.batch_id, RowPageRequest())
    check(told, "RowPage")
    described = set(SCHEMAS["ResultRow"]["properties"])
    assert all(set(row) <= described for row in told["rows"])
    assert told["isComplete"] == world.store.batch(batch.batch_id).status.is_final
    assert told["knownRows"] == len(told["rows"])


def test_rate_and_expected_end_are_told_while_a_batch_is_under_way():
    world, batch = under_way()
    progress = world.administration.show(batch.batch_id)["progress"]
    assert set(progress) == set(SCHEMAS["Progress"]["properties"])
