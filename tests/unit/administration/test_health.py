"""The health check names each part that is not well, says what to do, and changes nothing."""

import importlib
import json
from typing import Any
from unittest.mock import Mock

import pytest

from adjustments.aws.health import HEALTH_CHECK, describe_runtime, is_old
from adjustments.core import __version__
from adjustments.core.errors import (
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballUnauthorized,
    GameballUnavailable,
    PartUnavailable,
)
from adjustments.gameball.credentials import Credentials
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World
from tests.template.loading import ROOT

FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
NOT_SET_YET = json.dumps({"apiKey": "not set yet", "secretKey": "made-by-cloudformation"})


class ProbedGameball(MemoryGameball):
    """Answers the probe as it is told."""

    def __init__(self, error: GameballError | None = None) -> None:
        super().__init__()
        self.error = error

    def transactions(self, *arguments: Any, **options: Any) -> Any:
        if self.error:
            raise self.error
        return super().transactions(*arguments, **options)


def check(world: World) -> dict[str, Any]:
    return dict(world.health.check())


def found(world: World, name: str) -> dict[str, str]:
    [finding] = [finding for finding in check(world)["checks"] if finding["check"] == name]
    return dict(finding)


def test_stack_that_is_well_has_no_problem_and_every_part_was_looked_at():
    gameball = ProbedGameball(GameballRefused("Gameball answered 404: Customer not found", status=404))
    answer = check(World(gameball))
    assert (answer["version"], answer["isWell"]) == (__version__, True)
    assert [finding["check"] for finding in answer["checks"]] == [
        "function BatchApi", "function Notify", "function Sweep", "Gameball", "topic TopicArn",
        "schedule SweepTick", "queue IntakeQueue", "queue IntakeFailureQueue",
    ]  # fmt: skip
    assert {finding["status"] for finding in answer["checks"]} == {"ok"}
    assert gameball.requests == []


@pytest.mark.parametrize(
    ("part", "answer", "check_name", "status", "message"),
    [
        ("notify", PartUnavailable("it failed: Runtime.ImportModuleError"), "function Notify", "problem",
         "does not answer: it failed: Runtime.ImportModuleError"),
        ("notify", {**describe_runtime(), "version": "0.9.0"}, "function Notify", "problem", "0.9.0"),
        ("notify", {**describe_runtime(), "botocore": "1.34.145"}, "function Notify", "problem", "1.34.145"),
        ("topic", (1, 1), "topic TopicArn", "problem", "1 of its subscriptions not confirmed"),
        ("topic", (0, 0), "topic TopicArn", "note", "nobody is subscribed"),
        ("sweep-tick", False, "schedule SweepTick", "problem", "off"),
        ("sweep-tick", PartUnavailable("AccessDenied: no"), "schedule SweepTick", "problem", "AccessDenied"),
        ("topic", PartUnavailable("AccessDenied: no"), "topic TopicArn", "problem", "AccessDenied"),
        ("intake", PartUnavailable("AccessDenied: no"), "queue IntakeQueue", "problem", "AccessDenied"),
        ("intake", 3, "queue IntakeQueue", "note", "3 waiting"),
        ("intake-failures", 1, "queue IntakeFailureQueue", "problem", "1 failed"),
    ],
)  # fmt: skip
def test_part_that_is_not_well_is_named_with_what_to_do(
    part: str, answer: Any, check_name: str, status: str, message: str
):
    world = World(ProbedGameball())
    world.stack_parts.answers[part] = answer
    finding = found(world, check_name)
    assert finding["status"] == status
    assert message in finding["message"]
    assert finding["advice"]
    assert check(world)["isWell"] == (status != "problem")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (GameballUnauthorized("Gameball answered 401: Unauthorized", status=401), "refuses the keys"),
        (GameballUnavailable("no connection: name not known"), "can't be called: no connection"),
    ],
)
def test_keys_that_gameball_does_not_take_are_a_problem(error: GameballError, message: str):
    finding = found(World(ProbedGameball(error)), "Gameball")
    assert finding["status"] == "problem"
    assert message in finding["message"]


@pytest.mark.parametrize("secret", [NOT_SET_YET, "{}", None])
def test_secret_without_real_keys_is_a_problem_and_gameball_is_not_asked(secret: str | None):
    world = World(ProbedGameball(AssertionError("asked")))  # type: ignore[arg-type]
    world.credentials.text = secret
    finding = found(world, "Gameball")
    assert (finding["status"], finding["message"][:8]) == ("problem", "no keys:")
    assert "not set yet" not in finding["message"]


def test_keys_are_told_apart_by_a_fingerprint_and_never_shown():
    world = World(ProbedGameball())
    message = found(world, "Gameball")["message"]
    assert Credentials("key-of-a-test", "x").fingerprint() == "175b99dd"
    assert "175b99dd" in message
    assert "key-of-a-test" not in json.dumps(check(world))


def test_address_that_is_not_gameballs_own_is_told():
    world = World(ProbedGameball())
    object.__setattr__(world.health, "base_url", "http://127.0.0.1:8080")
    finding = found(world, "Gameball")
    assert finding["status"] == "note"
    assert "http://127.0.0.1:8080" in finding["message"]


def test_keys_that_can_not_be_read_now_are_a_problem():
    world = World(ProbedGameball())
    world.credentials.fresh = Mock(side_effect=GameballUnavailable("the secret can't be read"))  # type: ignore[method-assign]
    assert found(world, "Gameball")["message"] == "no keys: the secret can't be read"
    world.credentials.fresh = Mock(side_effect=ConfigurationError("gone"))  # type: ignore[method-assign]
    assert found(world, "Gameball")["message"] == "no keys: gone"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_answers_a_health_check_with_its_versions_and_does_nothing(name: str):
    handler = importlib.import_module(f"functions.{name}.app").handler
    assert handler(dict(HEALTH_CHECK), None) == describe_runtime()


def test_nothing_else_is_a_health_check():
    handler = importlib.import_module("functions.notify.app").handler
    with pytest.raises(Exception, match=r".+"):
        handler({**HEALTH_CHECK, "batchId": "b"}, Mock())


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("1.35.68", True),
        ("1.35.69", False),
        ("1.9.99", True),
        ("1.43.106", False),
        ("2.0.0", False),
        ("", True),
    ],
)
def test_botocore_without_conditional_writes_is_old(version: str, old: bool):
    assert is_old(version) == old
