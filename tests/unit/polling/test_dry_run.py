"""A dry run foretells what a real run would do, sends nothing, and says what it could not find out."""

import csv
import io
import json

from adjustments.batches.states import BatchStatus
from adjustments.core.errors import GameballUnavailable
from tests.fakes.gameball import MemoryGameball
from tests.fakes.memory import GrantingRateLimiter
from tests.fakes.world import World


def foretold(gameball: MemoryGameball, text: str) -> tuple[list[str], dict[str, int]]:
    """The results' messages in order, and the summary's prediction, of a dry run."""
    world = World(gameball)
    ended = world.run(world.drop(f"customerId,amount\n{text}", dry_run="true"))
    assert ended.status is BatchStatus.VALIDATED
    assert gameball.requests == []
    rows = csv.DictReader(io.StringIO(world.result(ended, "results.csv")))
    return [row["message"] for row in rows], json.loads(world.result(ended, "summary.json"))["prediction"]


def test_dry_run_predicts_overdrafts_and_unknown_customers():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"nobody"}
    messages, counts = foretold(gameball, "a,-100\nb,-100.5\nnobody,1\n")
    assert messages == [
        "dry run: nothing was sent; would be applied",
        "would fail: -100.5 overdraws the balance of 100",
        "would fail: Gameball does not know this customer",
    ]
    assert counts == {"wouldApply": 1, "wouldOverdraw": 1, "unknownCustomer": 1, "notPredicted": 0}


def test_dry_run_carries_the_balance_through_the_rows_of_a_customer():
    messages, _ = foretold(MemoryGameball(), "a,-60\na,-60\na,50\na,-90\n")
    assert [message.split(":")[0] for message in messages] == ["dry run", "would fail", "dry run", "dry run"]


def test_dry_run_says_which_balances_could_not_be_looked_up():
    gameball = MemoryGameball()
    gameball.inquiry_error = GameballUnavailable("no route")
    messages, counts = foretold(gameball, "a,-60\n")
    assert messages == ["dry run: nothing was sent, and the balance could not be looked up"]
    assert counts["notPredicted"] == 1


def test_dry_run_inquires_once_a_chunk_within_the_rate_limit():
    gameball = MemoryGameball()
    world = World(gameball)
    rows = "".join(f"c{number},1\n" for number in range(1500))
    world.run(world.drop(f"customerId,amount\n{rows}", dry_run="true"))
    assert gameball.inquiries == 2
    assert isinstance(world.rate_limiter, GrantingRateLimiter)
    assert len(world.rate_limiter.requested) >= 4


def test_only_rows_to_fix_are_in_the_fix_me_file():
    gameball = MemoryGameball()
    gameball.unknown_customers = {"nobody"}
    world = World(gameball)
    ended = world.run(world.drop("customerId,amount\na,5\nnobody,1\nb,x\n", dry_run="true"))
    lines = world.result(ended, "fix-me.csv").splitlines()
    assert [line.split(",")[0] for line in lines] == ["customerId", "nobody", "b"]
