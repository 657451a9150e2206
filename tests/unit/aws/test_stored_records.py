"""What earlier versions stored is read by this one: a stack is upgraded with batches in progress.

Each stored-<version>.json is what that version wrote, and never changes. A version that stores something else
adds its own, and says in docs/upgrading.md what it changes.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adjustments.aws.table import batch_item, chunk_item
from adjustments.aws.table_access import from_item
from adjustments.batches.records import Batch, Chunk
from adjustments.batches.row_index import Fingerprinter, customer_digests
from adjustments.batches.work_files import read_first_row, read_header, read_rows
from adjustments.core import __version__, exact_json, ids
from adjustments.manual_transactions.ledger import Attempt, Completed
from adjustments.manual_transactions.model import read_manual_transaction
from adjustments.manual_transactions.table_ledger import _read_stored

FOLDER = Path(__file__).parent
UPGRADING = FOLDER.parents[2] / "docs" / "upgrading.md"


@pytest.fixture(params=sorted(FOLDER.glob("stored-*.json")), ids=lambda path: str(path.stem))
def stored(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What one version stored."""
    kept: dict[str, Any] = exact_json.read(request.param.read_bytes())
    return kept


def test_batches_are_read_and_written_again_without_a_loss(stored: dict[str, Any]):
    for item in stored["batches"]:
        batch = Batch.read(from_item(item))
        again = batch_item(batch)
        assert {name: again.get(name) for name in item} == item


def test_chunks_are_read_and_written_again_without_a_loss(stored: dict[str, Any]):
    for kept in stored["chunks"]:
        again = chunk_item(kept["batchId"], kept["planId"], Chunk.read(from_item(kept["item"])))
        assert {name: again.get(name) for name in kept["item"]} == kept["item"]


def test_planned_rows_are_read(stored: dict[str, Any]):
    part = stored["rowsPart"].encode()
    assert (read_header(part), read_first_row(part)) == (["customerId", "amount", "reason"], 0)
    assert [(row.line, row.customer_id, row.amount, row.reason) for row in read_rows(part)] == [
        (2, "ada", "10", "spring"),
        (3, "gone", "5", "a, b"),
        (4, "bob", "x", "spring"),
        (5, "zoë", "-2.5", "späť"),
    ]


def test_transaction_that_an_earlier_version_applied_is_replayed_and_not_applied(stored: dict[str, Any]):
    """It is known by the hash of its body: written in another way, a repetition would be a conflict."""
    kept = stored["manualTransaction"]
    transaction = read_manual_transaction(kept["body"], datetime.now(UTC))
    digest = hashlib.sha256(transaction.body()).hexdigest()
    attempt = Attempt("another", transaction.transaction_id, digest)
    found = _read_stored(kept["item"], attempt, datetime.now(UTC))
    assert found == Completed(kept["item"]["answer"]["S"])


def test_what_names_a_drop_or_a_row_is_the_same(stored: dict[str, Any]):
    """A message that arrives again after an upgrade must not become another batch, nor a row another one."""
    dropped_at, identity = datetime(2026, 11, 29, 10, tzinfo=UTC), ("bucket", "inbox/spring.csv", "v7")
    assert stored["ids"] == {
        "batch": ids.batch_id("inbox/spring.csv", dropped_at, identity),
        "transaction": ids.transaction_id("b", 7),
        "chunk": ids.chunk_id(1, 2),
        "execution": ids.execution_name("b", 2),
    }
    customers = customer_digests(["ada", "zoë"])
    found = Fingerprinter().fingerprints(customers, ["10", "-2.5"], ["spring", "späť"])
    assert list(found) == stored["fingerprints"]


def test_upgrading_has_a_row_for_this_version_and_for_each_that_stored_something():
    text = UPGRADING.read_text()
    versions = {path.stem.removeprefix("stored-") for path in FOLDER.glob("stored-*.json")} | {__version__}
    assert [version for version in sorted(versions) if f"| {version} |" not in text] == []
    assert json.loads((FOLDER / "stored-1.0.0.json").read_text())["batches"]
