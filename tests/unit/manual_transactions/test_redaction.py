"""What the lines on a manual transaction show of its customer."""

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adjustments.manual_transactions.model import ManualTransaction, read_manual_transaction
from adjustments.manual_transactions.redaction import log_keys, mask

BODY = {"customerId": "player-1", "transactionId": "t1", "username": "ops", "reason": "r", "points": 5}
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def made(**fields: Any) -> ManualTransaction:
    return read_manual_transaction({**BODY, **fields}, NOW)


def names(is_masked: bool, caller: str = "arn:ann", **fields: Any) -> dict[str, str]:
    return dict(log_keys(made(**fields), caller, "stack-prod", is_masked))


def test_mask_is_the_same_for_the_same_customer_and_another_for_another_or_in_another_stack():
    assert mask("player-1", "prod") == mask("player-1", "prod")
    assert len({mask(customer, stack) for customer in ("a", "b") for stack in ("prod", "dev")}) == 4
    assert mask("player-1", "prod") == "masked-" + hashlib.sha256(b"prod\0player-1").hexdigest()[:12]


def test_mask_can_be_made_as_the_runbook_says():
    command = "printf '%s\\0%s' STACK CUSTOMER_ID | sha256sum | cut -c1-12"
    assert command in RUNBOOK.read_text()
    command = command.replace("STACK", "prod").replace("CUSTOMER_ID", "player-1")
    printed = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout
    assert f"masked-{printed.strip()}" == mask("player-1", "prod")


@pytest.mark.parametrize(
    "customer_id", ["player-1", "jo@customer.example", "+491701234567", "\U0001f600 gold"]
)
def test_masked_id_shows_nothing_of_the_customer(customer_id: str):
    told = names(True, customerId=customer_id, transactionId=f"birthday-{customer_id}", username=customer_id)
    assert not [value for value in told.values() if customer_id in value]
    assert told["customer_id"] == mask(customer_id, "stack-prod")


def test_mask_stands_for_the_id_in_other_names_so_that_they_are_still_told_apart():
    told = names(True, transactionId="birthday-player-1-2026", caller="event:1:player-1")
    shown = mask("player-1", "stack-prod")
    assert told["transaction_id"] == f"birthday-{shown}-2026"
    assert told["caller"] == f"event:1:{shown}"


@pytest.mark.parametrize("is_masked", [True, False])
def test_iam_identity_of_a_caller_stays_whole(is_masked: bool):
    """Who added points must be found, also where the session is named after the person's address."""
    ada = "arn:aws:sts::111122223333:assumed-role/Desk/ada@shop.example"
    assert names(is_masked, caller=ada, customerId="ada@shop.example")["caller"] == ada


def test_short_id_is_masked_and_leaves_the_other_names_alone():
    told = names(True, customerId="1", transactionId="goodwill-2026-0001")
    assert (told["customer_id"], told["transaction_id"]) == (mask("1", "stack-prod"), "goodwill-2026-0001")


def test_unmasked_id_is_shown_as_it_is_and_addresses_are_still_withheld():
    told = names(
        False,
        transactionId="birthday-player-1",
        username="desk jane@shop.example",
        email="jo@customer.example",
        mobile="+491701234567",
        caller="called by +491701234567",
    )
    assert told == {
        "customer_id": "player-1",
        "transaction_id": "birthday-player-1",
        "username": "desk (withheld)",
        "caller": "called by (withheld)",
    }
