"""Ids that look alike and are not the same are told with both forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjustments.submission import guards
from adjustments.submission.guards import LookAlikes, plain_form


def notes_of(*blocks: list[str]) -> list[str]:
    found = LookAlikes()
    for block in blocks:
        found.add(block)
    for block in blocks:
        found.compare(block)
    return found.notes()


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("Ann@x.com", "ann@x.com", '"Ann@x.com" and "ann@x.com"'),
        ("ann@x.com", "ANN@X.COM", '"ANN@X.COM" and "ann@x.com"'),
        ("Ann@x.com", "ANN@x.com", '"Ann@x.com" and "ANN@x.com"'),
        ("c\u00a01", "c 1", '"c<U+00A0>1" and "c 1"'),
        ("Jose\u0301", "Jos\u00e9", '"Jose<U+0301>" and "Jos\u00e9"'),
    ],
)
def test_both_forms_are_told_whichever_comes_first_and_wherever(one: str, other: str, shown: str):
    for blocks in ([[one, other]], [["c1", one], ["c2"], [other]]):
        assert notes_of(*blocks) == [f"customer ids that look alike and are not the same: {shown}"]


@pytest.mark.parametrize(
    "ids",
    [["c1", "C1"], ["ann@x.com", "ann@x.org"], ["Ann@x.com"] * 3, ["c 1", "c1"], ["Jose", "Jos\u00e9"], []],
)
def test_different_ids_are_not_told(ids: list[str]):
    assert notes_of(ids) == []


def test_some_examples_and_how_many_more():
    [note] = notes_of([f"{name}{n}@x.com" for n in range(5) for name in ("Ann", "ann")])
    assert note.count(" and ") == 5  # three pairs, the sentence's own, and the count
    assert note.endswith(", and 2 more")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guards, "ODD_IDS_MAX", 2)
    assert len(notes_of([f"A{n}@x" for n in range(9)], ["a0@x", "a1@x", "a8@x"])[0].split(";")) == 2


@given(st.lists(st.text("aAé\u00e9e\u0301@ \u00a0", min_size=1, max_size=4), max_size=12))
def test_pairs_are_told_exactly_where_plain_forms_meet(ids: list[str]):
    forms: dict[str, set[str]] = {}
    for customer_id in ids:
        forms.setdefault(plain_form(customer_id), set()).add(customer_id)
    assert bool(notes_of(ids)) is any(len(alike) > 1 for alike in forms.values())
