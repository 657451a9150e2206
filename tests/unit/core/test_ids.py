"""The same drop always gives the same name; names sort, read well and fit."""

from datetime import UTC, datetime

import pytest

from adjustments.core.ids import batch_id, chunk_id, execution_name, half_ids, is_batch_id

AT = datetime(2026, 11, 21, 9, 5, 7, tzinfo=UTC)


def test_batch_id_is_the_same_for_the_same_drop():
    assert batch_id("inbox/a.csv", AT, ("b", "k", "v1")) == batch_id("inbox/a.csv", AT, ("b", "k", "v1"))


@pytest.mark.parametrize("identity", [("b", "k", "v2"), ("b", "k2", "v1"), ("b", "kv", "1"), ("b", "k")])
def test_batch_id_differs_for_another_drop(identity: tuple[str, ...]):
    assert batch_id("inbox/a.csv", AT, identity) != batch_id("inbox/a.csv", AT, ("b", "k", "v1"))


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("inbox/Spring Campaign (final).csv", "spring-campaign-final"),
        ("inbox/deep/er/points.csv.gz", "points"),
        ("inbox/../../etc/passwd.csv", "passwd"),
        ("inbox/积分.csv", "batch"),
        ("inbox/" + "x" * 300 + ".csv", "x" * 30),
    ],
)
def test_batch_id_is_readable_for_any_key(key: str, slug: str):
    name = batch_id(key, AT, ("b", key, "v1"))
    assert name.startswith(f"20261121-090507-{slug}-")
    assert len(execution_name(name, 999)) <= 80
    assert is_batch_id(name)


@pytest.mark.parametrize(
    "text",
    ["", "none", "..", "20261121-090507-", "20261121-090507-a/b", "20261121-090507-A", "20261121-090507-a\n",
     "\n20261121-090507-a", "2026112\u0661-090507-a", "20261121-090507-%61", "20261121-090507-" + "a" * 61],
)  # fmt: skip
def test_is_batch_id_refuses_other_texts(text: str):
    assert not is_batch_id(text)


def test_chunk_ids_sort_in_the_order_of_sending():
    left, right = half_ids(chunk_id(1, 1))
    deeper = half_ids(left)
    order = [chunk_id(1, 1), left, *deeper, right, chunk_id(1, 2), chunk_id(1, 10), chunk_id(2, 1)]
    assert sorted(order) == order


def test_execution_name_of_the_first_is_the_batch_id():
    assert [execution_name("b", start) for start in (1, 2, 3)] == ["b", "b-2", "b-3"]
