"""What is put onto the bus is what docs/events.md and its schemas promise."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from adjustments.aws.messaging import EVENT_SOURCE
from adjustments.batches.records import Batch
from adjustments.core import exact_json
from adjustments.core.errors import GameballRefused, OutcomeUnknown
from adjustments.manual_transactions import event_consumer
from adjustments.manual_transactions.event_consumer import EventConsumer, Message
from adjustments.manual_transactions.ledger import CallerContext
from adjustments.manual_transactions.service import ManualTransactionService
from adjustments.reconciliation.resolution import ResolveRequest
from tests.fakes.gameball import MemoryGameball
from tests.fakes.manual_transactions import MemoryFailures, MemoryLedger, MemoryTransactions
from tests.fakes.memory import CountingIds, GrantingRateLimiter, ManualClock, MemoryNotifications
from tests.fakes.world import World
from tests.template.loading import ROOT

FOLDER = ROOT / "docs/events"
SCHEMAS: dict[str, dict[str, Any]] = {
    schema["title"]: schema
    for schema in (exact_json.read(path.read_bytes()) for path in FOLDER.glob("*.json"))
}
TWO = "customerId,amount\na,1.5\nb,-2\n"
GOOD = {"customerId": "c", "transactionId": "t", "username": "u", "reason": "r", "points": 5}


def closed(schema: Any) -> Any:
    """A schema that takes no fields besides those that it names: all that is told is documented."""
    if isinstance(schema, dict):
        shut = {"additionalProperties": False} if schema.get("type") == "object" else {}
        return {**{name: closed(part) for name, part in schema.items()}, **shut}
    return [closed(part) for part in schema] if isinstance(schema, list) else schema


def problems(detail_type: str, detail: Mapping[str, Any]) -> list[str]:
    """What a detail, as it travels, has that its schema does not let through."""
    schema = closed(SCHEMAS[detail_type]["properties"]["detail"])
    travelled = json.loads(exact_json.write(detail))
    return [error.message for error in Draft202012Validator(schema).iter_errors(travelled)]


def ended(world: World, text: str, **metadata: str) -> Batch:
    return world.run(world.drop(text, **metadata))


def completed() -> World:
    world = World(MemoryGameball())
    ended(world, TWO)
    return world


def completed_with_errors() -> World:
    gameball = MemoryGameball()
    gameball.unknown_customers = {"a"}
    world = World(gameball)
    ended(world, TWO)
    return world


def validated() -> World:
    world = World(MemoryGameball())
    ended(world, TWO + "c,x\n", dry_run="true")
    return world


def rejected() -> World:
    world = World(MemoryGameball())
    ended(world, "hello\n")
    return world


def stopped() -> World:
    world = World(MemoryGameball(), approval_above_rows=1)
    batch = world.drop(TWO)
    world.run(world.administration.stop(batch.batch_id, "ann", "wrong file"))
    return world


def needs_attention() -> World:
    world = World(MemoryGameball([OutcomeUnknown("lost")]))
    ended(world, TWO)
    return world


def resolved() -> World:
    world = needs_attention()
    [(_, detail)] = world.notifications.events
    world.resolver.resolve(detail["batchId"], "ann", ResolveRequest(outcome="applied", note="seen"))
    world.notifier.notify(detail["batchId"])
    return world


@pytest.mark.parametrize(
    ("story", "told"),
    [
        (completed, [("Batch Settled", "completed")]),
        (completed_with_errors, [("Batch Settled", "completed_with_errors")]),
        (validated, [("Batch Settled", "validated")]),
        (rejected, [("Batch Settled", "rejected")]),
        (stopped, [("Batch Settled", "stopped")]),
        (needs_attention, [("Batch Needs Attention", "needs_attention")]),
        (resolved, [("Batch Needs Attention", "needs_attention"), ("Batch Settled", "completed")]),
    ],
)
def test_batch_event_is_as_documented(story: Callable[[], World], told: list[tuple[str, str]]):
    events = story().notifications.events
    assert [(kind, detail["status"]) for kind, detail in events] == told
    assert [problems(kind, detail) for kind, detail in events] == [[]] * len(told)


def test_batch_event_of_a_dry_run_has_the_prediction():
    [(_, detail)] = validated().notifications.events
    expected = {"wouldApply": 2, "wouldOverdraw": 0, "unknownCustomer": 0, "notPredicted": 0}
    assert (detail["dryRun"], detail["prediction"]) == (True, expected)


def asked(body: Any, *script: Any) -> MemoryNotifications:
    """What is told after an event has asked for a manual transaction, on the last try."""
    clock, bus = ManualClock(), MemoryNotifications()
    service = ManualTransactionService(
        MemoryTransactions(list(script)), MemoryLedger(clock), GrantingRateLimiter(), clock, CountingIds()
    )
    event = {"detail-type": event_consumer.DETAIL_TYPE, "source": "x", "account": "1", "detail": body}
    consumer = EventConsumer(service, MemoryFailures(), bus, clock, receives_max=1)
    message, context = Message(json.dumps(event), receives=1), CallerContext("", "request", lambda: 28_000)
    consumer.consume(message, context, lambda transaction, context: None)
    return bus


REFUSED = GameballRefused(
    "422", status=422, code=9008, request_id="r-1", gameball_message="Insufficient points"
)
NOT_ALLOWED = GameballRefused("405", status=405)


@pytest.mark.parametrize(
    ("body", "script", "kind", "outcome"),
    [
        (GOOD, [], event_consumer.SETTLED, None),
        ({**GOOD, "points": -7}, [], event_consumer.SETTLED, None),
        (GOOD, [REFUSED], event_consumer.REFUSED, "not_applied"),
        ({**GOOD, "points": 0}, [], event_consumer.REFUSED, "not_applied"),
        ({"customerId": 5}, [], event_consumer.REFUSED, "not_applied"),
        ([], [], event_consumer.REFUSED, "not_applied"),
        (GOOD, [NOT_ALLOWED], event_consumer.FAILED, "not_applied"),
        (GOOD, [OutcomeUnknown("lost")] * 9, event_consumer.FAILED, "unknown"),
    ],
)
def test_event_on_a_requested_transaction_is_as_documented(
    body: Any, script: list[Any], kind: str, outcome: str | None
):
    [(told, detail)] = asked(body, *script).events
    assert (told, detail.get("outcome"), problems(told, detail)) == (kind, outcome, [])


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_sound_and_its_example_fits(name: str):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    [example] = schema["examples"]
    Draft202012Validator(schema).validate(example)
    assert problems(name, example["detail"]) == []
    assert schema["properties"]["detail-type"] == {"const": name}
    assert schema["properties"]["source"].get("const", EVENT_SOURCE) == EVENT_SOURCE


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Batch Settled", {"status": "needs_attention"}),
        ("Batch Settled", {"counts": {"rows": 1}}),
        ("Batch Settled", {"surprise": 1}),
        ("Batch Settled", {"createdAt": "yesterday"}),
        ("Batch Needs Attention", {"status": "completed"}),
        ("Manual Transaction Settled", {"points": "-120"}),
        ("Manual Transaction Failed", {"outcome": "applied"}),
        ("Manual Transaction Refused", {"outcome": "unknown"}),
        ("Manual Transaction Refused", {"error": 503}),
        ("Manual Transaction Requested", {"points": 0}),
    ],
)
def test_schema_refuses_what_is_not_documented(name: str, wrong: dict[str, Any]):
    detail = {**SCHEMAS[name]["examples"][0]["detail"], **wrong}
    assert problems(name, detail)


def test_a_request_is_the_body_of_the_api():
    api = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
    assert (
        SCHEMAS[event_consumer.DETAIL_TYPE]["properties"]["detail"]
        == api["components"]["schemas"]["ManualTransaction"]
    )


def test_every_schema_is_listed():
    listed = (ROOT / "docs/events.md").read_text()
    assert [path.name for path in FOLDER.glob("*.json") if f"(events/{path.name})" not in listed] == []
    assert [name for name in SCHEMAS if f"`{name}`" not in listed] == []
