"""What people do with batches, on the deployed stack: look first, take from the API, steer, reverse."""

import json
from decimal import Decimal

from local.batch_client import BatchClient
from local.processes import wait_for
from local.stack import LocalStack
from local.standin_client import StandInClient

BATCH = "/batch/balance-adjustment"
LOST = {"kind": "reset_after", "method": "POST", "path": "batch/balance-adjustment"}


def test_a_dry_run_foretells_and_sends_nothing(
    batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    content = b"customerId,amount\nplayer-01,50\nplayer-02,-500\nnobody,1\nplayer-03,x\n"
    batches.drop("inbox/dry.csv", content, {"dry-run": "true"})
    batch = batches.wait_until_ended(batches.wait_for_first("inbox/dry.csv"))
    summary = json.loads(batches.result_files(batch["batchId"])["summary.json"])

    assert (batch["status"], batch["counts"]["notSubmitted"], batch["counts"]["rejected"]) == (
        "validated",
        3,
        1,
    )
    assert summary["prediction"] == {
        "wouldApply": 1,
        "wouldOverdraw": 1,
        "unknownCustomer": 1,
        "notPredicted": 0,
    }
    assert standin.audit()["applied"] == []


def test_rows_are_listed_before_the_end_as_far_as_they_are_known(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/held.csv", b"customerId,amount\nplayer-01,600000\nplayer-02,x\nplayer-01,600001\n")
    batch_id = batches.wait_for_first("inbox/held.csv")
    path = f"/batches/{batch_id}/rows"
    early = stack.call_api("GET", f"{path}?limit=1").json()
    assert [(row["line"], row["status"]) for row in early["rows"]] == [(3, "rejected")]
    assert (early["isComplete"], early["knownRows"], early["totalRows"]) == (False, 1, 3)

    stack.call_api("POST", f"/batches/{batch_id}/stop", {"note": "seen"})
    assert batches.wait_until_ended(batch_id)["status"] == "stopped"
    rest = stack.call_api("GET", f"{path}?after={early['next']}").json()
    assert [(row["line"], row["status"]) for row in rest["rows"]] == [(4, "not_submitted")]
    assert (rest["isComplete"], rest["next"]) == (False, None)
    whole = stack.call_api("GET", path).json()
    assert [row["status"] for row in whole["rows"]] == ["not_submitted", "rejected", "not_submitted"]
    assert (whole["isComplete"], whole["knownRows"]) == (True, 3)


def test_the_same_rows_under_another_name_are_refused(
    batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/once.csv", b"customerId,amount\nplayer-01,11\n")
    first = batches.wait_until_ended(batches.wait_for_first("inbox/once.csv"))
    batches.drop("inbox/twice.csv", b"Points;Customer ID\r\n11.00;player-01\r\n")
    second = batches.wait_until_ended(batches.wait_for_first("inbox/twice.csv"))

    assert (first["status"], second["status"]) == ("completed", "rejected")
    assert first["batchId"] in second["message"]
    assert len(standin.audit()["applied"]) == 1


def test_a_batch_from_the_api_is_taken_once_for_its_key(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    body = {"body": [{"customerId": "player-01", "amount": 5, "reason": "api"}]}
    answers = [stack.call_api("POST", BATCH, body, {"Idempotency-Key": "e2e-1"}) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert batches.wait_until_ended(answers[0].json()["batchId"])["status"] == "completed"
    assert len(standin.audit()["applied"]) == 1


def test_rows_in_doubt_are_resolved_by_a_person_and_the_batch_is_reversed(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.add_fault(LOST)
    batches.drop("inbox/lost.csv", b"customerId,amount\nplayer-01,5\nplayer-02,7\n")
    batch_id = batches.wait_for_first("inbox/lost.csv")
    assert batches.wait_until_ended(batch_id)["status"] == "needs_attention"
    assert batches.result_files(batch_id)["fix-me.csv"].split() == [b"customerId,amount,error"]

    word = {"outcome": "applied", "note": "seen in the dashboard"}
    resolved = stack.call_api("POST", f"/batches/{batch_id}/resolve", word)
    assert (resolved.status, resolved.json()["status"], resolved.json()["rows"]) == (200, "completed", 2)

    made = stack.call_api("POST", f"/batches/{batch_id}/reversal").json()
    reversal = batches.result_files(batch_id)["reversal.csv"]
    batches.drop("inbox/reversal.csv", reversal)
    ended = batches.wait_until_ended(batches.wait_for_first("inbox/reversal.csv"))
    assert (made["rows"], ended["status"]) == (2, "completed")
    assert sum(Decimal(str(entry["amount"])) for entry in standin.audit()["applied"]) == 0
    assert stack.call_api("POST", f"/batches/{batch_id}/reversal").status == 409


def test_the_sweep_clears_a_doubt_by_evidence(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.add_fault(LOST)
    batches.drop("inbox/evidence.csv", b"customerId,amount,reason\nplayer-01,5,spring\nplayer-02,-7,spring\n")
    batch_id = batches.wait_for_first("inbox/evidence.csv")
    assert batches.wait_until_ended(batch_id)["status"] == "needs_attention"

    def sweep() -> bool:
        """The sweep leaves a batch alone until people were told of its end."""
        answer = stack.aws.functions.invoke(FunctionName=stack.physical_id("Sweep"), Payload=b"{}")
        return batch_id in json.loads(answer["Payload"].read())["reconciled"]

    wait_for(sweep, 30, "the sweep to find the evidence")
    assert batches.show(batch_id)["status"] == "completed"


def test_a_batch_that_has_ended_can_not_be_stopped(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/ended.csv", b"customerId,amount\nplayer-01,13\n")
    batch_id = batches.wait_for_first("inbox/ended.csv")
    batches.wait_until_ended(batch_id)
    answer = stack.call_api("POST", f"/batches/{batch_id}/stop", {"note": "too late"})

    assert (answer.status, answer.json()["error"]) == (409, 409)
    assert "under way" in answer.json()["message"]


def test_a_batch_under_way_is_stopped_and_tells_the_truth(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.change_settings({"job_delay_s": 30})
    batches.drop("inbox/stop.csv", b"customerId,amount\nplayer-01,17\nplayer-02,19\n")
    batch_id = batches.wait_for_first("inbox/stop.csv")
    assert stack.call_api("POST", f"/batches/{batch_id}/stop", {"note": "wrong file"}).status == 200
    ended = batches.wait_until_ended(batch_id)

    # Gameball lists no row of a job that was stopped, so nobody knows whether it had begun.
    assert (ended["status"], ended["counts"]["inDoubt"]) == ("needs_attention", 2)
    assert standin.audit()["applied"] == []


def test_running_jobs_of_a_stopped_batch_end_where_they_are_kept(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    standin.change_settings({"job_delay_s": 10})
    batches.drop("inbox/keep.csv", b"customerId,amount\nplayer-01,23\nplayer-02,29\n")
    batch_id = batches.wait_for_first("inbox/keep.csv")
    stopped = stack.call_api("POST", f"/batches/{batch_id}/stop", {"note": "enough", "keepJobs": True})
    assert stopped.status == 200
    ended = batches.wait_until_ended(batch_id)

    assert (ended["status"], ended["counts"]["applied"]) == ("completed", 2)
    assert ended["message"].endswith(": enough")
    assert len(standin.audit()["applied"]) == 2
