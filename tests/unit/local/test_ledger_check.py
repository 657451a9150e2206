"""The comparison of ledger and results has to find what is wrong; that it finds nothing proves nothing."""

from typing import Any

import pytest

from local.ledger_check import ResultRow, ResultsUnreadable, compare, input_rows, read_results

HEAD = b"line,customerId,amount,reason,status,message,jobId\n"
RESULTS = (
    HEAD + b"2,a,10,x,applied,,7\n3,b,-2.50,x,applied,,7\n4,c,5,x,failed,unknown,7\n5,,oops,x,rejected,bad,\n"
)


def entry(
    customer: str, amount: object, job: int | None = 7, transaction: str | None = None
) -> dict[str, Any]:
    return {"customerId": customer, "amount": amount, "jobId": job, "transactionId": transaction}


def disagreements(audit: list[dict[str, Any]], results: bytes = RESULTS, rows: int = 4) -> list[str]:
    found = compare({"batch": read_results(results)}, {"batch": rows}, [], {"applied": audit})
    return list(found.differences)


def test_results_that_say_what_the_ledger_says_agree() -> None:
    assert disagreements([entry("b", "-2.5"), entry("a", 10)]) == []


@pytest.mark.parametrize(
    ("audit", "expected"),
    [
        ([entry("a", 10)], ["job 7, b, -2.50: reported as applied, not in the ledger"]),
        (
            [entry("a", 10), entry("a", 10), entry("b", "-2.5")],
            ["job 7, a, +10: in the ledger, not reported as applied"],
        ),
        (
            [entry("a", 10), entry("b", "-2.5"), entry("c", 5)],
            ["job 7, c, +5: in the ledger, not reported as applied"],
        ),
        (
            [entry("a", 11), entry("b", "-2.5")],
            [
                "job 7, a, +10: reported as applied, not in the ledger",
                "job 7, a, +11: in the ledger, not reported as applied",
            ],
        ),
        (
            [entry("a", 10, job=8), entry("b", "-2.5")],
            [
                "job 7, a, +10: reported as applied, not in the ledger",
                "job 8, a, +10: in the ledger, not reported as applied",
            ],
        ),
    ],
    ids=["lost", "applied twice", "failed row applied", "another amount", "another job"],
)
def test_whatever_differs_is_found(audit: list[dict[str, Any]], expected: list[str]) -> None:
    assert disagreements(audit) == expected


def test_row_in_doubt_accounts_for_at_most_one_posting() -> None:
    in_doubt = HEAD + b"2,a,10,x,in_doubt,?,\n"
    assert disagreements([], in_doubt, 1) == []
    assert disagreements([entry("a", 10)], in_doubt, 1) == []
    assert len(disagreements([entry("a", 10), entry("a", 10)], in_doubt, 1)) == 1


def test_row_missing_from_the_results_is_found() -> None:
    assert disagreements([entry("a", 10), entry("b", "-2.5")], rows=5) == [
        "batch: 4 rows in results.csv, 5 in the input"
    ]


def test_repeated_line_is_found() -> None:
    twice = HEAD + b"2,a,10,x,applied,,7\n2,a,10,x,applied,,7\n"
    assert disagreements([entry("a", 10), entry("a", 10)], twice, 2) == [
        "batch: the lines of results.csv are not in input order, each once"
    ]


def test_rejected_row_with_a_job_is_found() -> None:
    row = HEAD + b"2,a,10,x,rejected,bad,7\n"
    assert disagreements([], row, 1) == ["batch, line 2: never sent, yet it has a job"]


def test_manual_transaction_must_be_in_the_ledger_once() -> None:
    body = {"customerId": "a", "transactionId": "t", "points": 5}
    posted = entry("a", 5, job=None, transaction="t")
    assert compare({}, {}, [body], {"applied": [posted]}).agrees
    assert not compare({}, {}, [body], {"applied": [posted, posted]}).agrees
    assert not compare({}, {}, [body], {"applied": []}).agrees


@pytest.mark.parametrize(
    "content", [b"", b"line,status\n", HEAD + b"2,a,10,x,done,,7\n", HEAD + b"2,a,ten,x,applied,,7\n"]
)
def test_invalid_results_file_is_refused(content: bytes) -> None:
    with pytest.raises(ResultsUnreadable):
        read_results(content)


def test_amount_of_a_sent_row_is_exact() -> None:
    assert read_results(RESULTS)[1] == ResultRow(3, "b", read_results(RESULTS)[1].amount, "applied", "", "7")
    assert str(read_results(RESULTS)[1].amount) == "-2.50"


def test_blank_lines_are_no_input_rows() -> None:
    assert input_rows(b"customerId,amount\na,1\n\nb,2\n") == 2


def test_results_are_read_in_the_dialect_in_which_they_came() -> None:
    text = (HEAD + b"2,a,-2.5,x,applied,,7\n").decode().replace(",", ";").replace("-2.5", "-2,5")
    for content in (text.encode("utf-8-sig"), text.encode("utf-16")):
        assert [(row.customer_id, str(row.amount)) for row in read_results(content)] == [("a", "-2.5")]
