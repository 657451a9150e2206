"""For every file: each row is in one chunk or rejected, and the sum of amounts is conserved exactly."""

import csv
import hashlib
import io
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.administration.service import ApprovalRequest
from adjustments.batches import payloads
from adjustments.batches.payloads import customers_and_amounts, rows_of, waves
from adjustments.batches.records import Batch
from adjustments.batches.work_files import REPEAT, WorkKeys, read_rows
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

CUSTOMERS = st.sampled_from(["ann", "bob", "cid", "dän", "=eve", "'fay", "g,h", 'i"j', ""])
AMOUNTS = st.one_of(
    st.decimals(min_value=-1000, max_value=1000, places=2).map(str),
    st.sampled_from(["0", "", "x", "1e3", "+5", "007.50", "-.5", "1,000", "2000000"]),
)
ROWS = st.lists(
    st.tuples(CUSTOMERS, AMOUNTS, st.sampled_from(["", "gift", "=1+1", "two\nlines"])), max_size=40
)


def planned(rows: list[tuple[str, str, str]]) -> tuple[World, Batch]:
    """A world with one planned batch of which nothing was sent."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["customerId", "amount", "reason"])
    writer.writerows(rows)
    world = World(MemoryGameball(), approval_above_rows=1)
    return world, world.drop(text.getvalue())


@given(ROWS)
def test_each_row_is_in_one_chunk_or_rejected_and_the_sum_is_conserved(rows: list[tuple[str, str, str]]):
    world, batch = planned(rows)
    if batch.refusal:
        return
    keys = WorkKeys(batch.batch_id, batch.plan_id)
    kept = [row for part in range(1, batch.row_parts + 1)
            for row in read_rows(world.files.get(keys.rows(part)))]  # fmt: skip
    accepted = [
        (row.customer_id, Decimal(row.amount), row.reason) for row in kept if not row.rejection_message
    ]
    sent: list[tuple[str, Decimal]] = []
    for chunk in world.store.chunks(batch.batch_id, batch.plan_id):
        pairs = customers_and_amounts(rows_of(world.files.get(chunk.payload_key)))
        assert len({customer for customer, _ in pairs}) == len(pairs) <= 1000
        sent += pairs
    assert Counter(sent) == Counter((customer, amount) for customer, amount, _ in accepted)
    assert sum((amount for _, amount in sent), Decimal(0)) == Decimal(batch.total)
    assert sum((abs(amount) for _, amount in sent), Decimal(0)) == Decimal(batch.absolute_total)
    assert len(kept) == batch.counts.rows == batch.counts.rejected + len(sent)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=30).filter(lambda ids: len(set(ids)) < len(ids)))
def test_what_is_kept_of_repeats_gives_the_waves_back(customers: list[str]):
    world, batch = planned([(customer, "1", "") for customer in customers])
    keys = WorkKeys(batch.batch_id, batch.plan_id)
    repeats = REPEAT.iter_unpack(world.files.get(keys.repeats))
    expected = [customers[: place + 1].count(customer) for place, customer in enumerate(customers)]
    assert list(waves(len(customers), repeats)) == expected


@pytest.mark.parametrize(
    ("adds_token", "sha256"),
    [
        (False, "9645e0ea41a23e49f29f68c9462f07fa56932bdeaa3c438a288a8bf720b60ca6"),
        (True, "e56519ce7d10ffda7f36e91dcbda5031faa6920a80301cef9994fc4773eebed5"),
    ],
)
def test_bodies_stay_the_same_byte_for_byte(adds_token: bool, sha256: str, monkeypatch: pytest.MonkeyPatch):
    """A hash of what the first version planned: planning may get faster, and nothing else.

    That version cut one canary.
    """
    monkeypatch.setattr(payloads, "CANARIES_MAX", 1)
    amounts = {0: "7", 1: "-12.50", 2: "+3", 3: "007", 4: ".5", 5: "1000000", 6: "0", 7: '"1,000"'}
    reasons = ["Spring campaign", "", 'say ""hi""', "€ 5 & more, as agreed", "=1+1"]
    rows = []
    for n in range(2600):
        customer = f"player-{n % 1800:05d}" if n % 13 else f"spieler ü-{n}"
        rows.append(f'{customer},{amounts.get(n % 97, "7")},"{reasons[n % 5]}"\n')
    world = World(MemoryGameball(), canary_rows=100, approval_above_rows=1, adds_token=adds_token)
    batch = world.drop("customerId,amount,reason\n" + "".join(rows))
    bodies = hashlib.sha256()
    for chunk in world.store.chunks(batch.batch_id, batch.plan_id):
        bodies.update(chunk.chunk_id.encode() + world.files.get(chunk.payload_key))
    assert (batch.counts.rejected, batch.chunks, batch.waves, batch.total) == (54, 4, 2, "27016823")
    assert bodies.hexdigest() == sha256


def test_bad_file_is_refused_by_its_share_of_bad_rows_counting_from_25():
    bad, good = ("a", "x", ""), [(f"c{number}", "1", "") for number in range(20)]
    assert not planned([bad] * 5 + good[:19])[1].refusal
    assert not planned([bad] * 5 + good)[1].refusal
    assert "6 of 25 rows are bad" in planned([bad] * 6 + good[:19])[1].refusal


def test_rows_of_a_customer_that_appears_too_often_are_rejected_all():
    world, batch = planned([("ann", "1", "")] * 51 + [(f"c{number}", "1", "") for number in range(300)])
    assert (batch.counts.rejected, batch.total) == (51, "300")
    ended = world.run(
        world.store.batch(world.administration.approve(batch.batch_id, "ann", ApprovalRequest()).batch_id)
    )
    assert (ended.counts.applied, ended.counts.rejected) == (300, 51)
    assert world.result(ended, "results.csv").count("more than 50 times") == 51


def dropped(data: bytes, metadata: dict[str, str] | None = None, default_encoding: str = "") -> Batch:
    world = World(MemoryGameball(), default_encoding=default_encoding)
    world.files.drop("inbox/w.csv", data, metadata or {})
    batch = world.triggers.submit_object("inbox/w.csv", None)
    assert batch is not None
    return batch


@pytest.mark.parametrize(
    ("metadata", "default", "note"),
    [
        ({"encoding": "Windows-1252"}, "", "encoding: windows-1252 (as the metadata says); delimiter: comma"),
        ({}, "windows-1252", "encoding: windows-1252 (DefaultEncoding); delimiter: comma"),
    ],
)
def test_encoding_is_said(metadata: dict[str, str], default: str, note: str):
    data = "customerId,amount,reason\na,1,Grüße €\n".encode("windows-1252")
    assert dropped(data, metadata, default).notes[0] == note


def test_encoding_that_nothing_says_refuses_the_batch():
    batch = dropped("customerId,amount,reason\na,1,Grüße €\n".encode("windows-1252"))
    assert 'reads "Grüße €" in windows-1252' in batch.refusal


def test_encoding_and_decimal_commas_are_found_out_one_after_the_other():
    """Two more readings of the object, each with what the one before has shown."""
    data = 'customerId,amount,reason\na,1.000,Grüße\nb,"12,50",x\nc,7,x\n'.encode("windows-1252")
    batch = dropped(data, default_encoding="windows-1252")
    assert (batch.counts.rows, batch.counts.rejected, batch.total) == (3, 2, "7")


def test_metadata_names_columns_and_those_that_may_be_ignored():
    data = b"Kundennummer;Punkte;E-Mail\na;5;a@example.com\n"
    metadata = {"columns": "customerId=Kundennummer,amount=Punkte", "ignore-columns": "e-mail"}
    assert dropped(data, metadata).notes == (
        "encoding: UTF-8; delimiter: semicolon",
        "columns as the metadata names them: customerId = Kundennummer, amount = Punkte",
        "ignored columns: E-Mail",
    )
    assert "E-Mail" in dropped(data, {"columns": metadata["columns"]}).refusal


def test_option_that_makes_no_sense_refuses_the_batch():
    batch = dropped(b"customerId,amount\na,5\n", {"encoding": "klingon"})
    assert '"klingon"' in batch.refusal


def rows_dropped(rows: list[tuple[str, str, str]], *, adds_token: bool = False) -> Batch:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("customerId", "amount", "reason"), *rows])
    world = World(MemoryGameball(), adds_token=adds_token)
    world.files.drop("inbox/r.csv", text.getvalue().encode())
    batch = world.triggers.submit_object("inbox/r.csv", None)
    assert batch is not None
    return batch


@pytest.mark.parametrize("adds_token", [False, True])
@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (
            [("a", "5", "x"), ("b", "5", "x"), ("a", "5.0", "x")],
            "1 row has the same customer, amount and reason",
        ),
        ([("a", "5", "")] * 4, "3 rows have the same customer, amount and reason"),
        ([("a", "5", "x"), ("a", "5", "y"), ("a", "6", "x"), ("b", "5", "x")], ""),
        ([("a", "5", "x")] * 51 + [(f"c{n}", "1", "") for n in range(300)], ""),
    ],
)
def test_rows_that_repeat_are_counted(rows: list[tuple[str, str, str]], note: str, adds_token: bool):
    found = [told for told in rows_dropped(rows, adds_token=adds_token).notes if "earlier row" in told]
    assert len(found) == bool(note)
    assert note in "".join(found)


def test_ids_that_look_alike_are_told_in_the_notes():
    batch = rows_dropped([("Ann@x.com", "5", ""), ("b", "5", ""), ("ann@x.com", "5", "")])
    assert batch.notes[-1].endswith('"Ann@x.com" and "ann@x.com"')


@pytest.mark.parametrize(
    ("last", "rows", "is_total"),
    [
        (("members", "60"), 3, True),
        (("members", "30"), 2, False),
        (("c99", "60"), 3, False),
        (("c99", "550"), 10, True),
        (("c99", "551"), 10, False),
        (("members", "61"), 3, False),
        (("a@example.com", "60"), 3, False),
    ],
)
def test_last_row_that_is_the_sum_of_all_above_is_no_customers(
    last: tuple[str, str], rows: int, is_total: bool
):
    batch = rows_dropped([*((f"c{n}", f"{n * 10}", "") for n in range(1, rows + 1)), (*last, "")])
    assert (batch.counts.rows, batch.counts.rejected) == (rows + 1, is_total)
