"""Who is not let in, what a link to a result opens, and that the two keys are nowhere but in the secret."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from local.aws import ApiAnswer, Aws
from local.batch_client import BatchClient
from local.stack import LocalStack
from local.standin_client import STANDIN_KEYS, StandInClient
from tests.e2e import leaks

ENDPOINTS = [
    ("POST", "/transactions/manual"), ("POST", "/batch/balance-adjustment"), ("GET", "/batches"),
    ("GET", "/batches/b"), ("POST", "/batches/b/approve"), ("POST", "/batches/b/stop"),
    ("POST", "/batches/b/resolve"), ("POST", "/batches/b/reversal"), ("GET", "/health"),
    ("GET", "/customers/c/adjustments"),
]  # fmt: skip
GIFT = {"customerId": "player-01", "transactionId": "stolen", "username": "x", "reason": "x", "points": 5}
USER = "somebody-of-the-company"


def call(stack: LocalStack, aws: Aws, method: str, path: str, is_signed: bool = True) -> ApiAnswer:
    body = GIFT if method == "POST" else None
    return aws.call_api(stack.outputs["ApiUrl"], method, path, body, is_signed=is_signed)


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user, and AWS as it sees it."""

    aws: Aws
    access_key: str

    def with_wrong_secret(self) -> Aws:
        """The same user's access key in the hands of somebody who does not know the secret."""
        return self.aws.as_caller(self.access_key, "wrong-secret")


@pytest.fixture
def user(stack: LocalStack) -> Iterator[User]:
    """An IAM user without any right."""
    stack.aws.iam.create_user(UserName=USER)
    made = stack.aws.iam.create_access_key(UserName=USER)["AccessKey"]
    yield User(stack.aws.as_caller(made["AccessKeyId"], made["SecretAccessKey"]), made["AccessKeyId"])
    for name in stack.aws.iam.list_user_policies(UserName=USER)["PolicyNames"]:
        stack.aws.iam.delete_user_policy(UserName=USER, PolicyName=name)
    stack.aws.iam.delete_access_key(UserName=USER, AccessKeyId=made["AccessKeyId"])
    stack.aws.iam.delete_user(UserName=USER)


def allow(stack: LocalStack, resource: str) -> None:
    """Let the user call some of an API, and no others: ``apiId/stage/METHOD/path``."""
    statement = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:{stack.aws.region}:*:{resource}",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stack.aws.iam.put_user_policy(UserName=USER, PolicyName="some", PolicyDocument=document)


def api_id(stack: LocalStack) -> str:
    return str(urlsplit(stack.outputs["ApiUrl"]).hostname).split(".", 1)[0]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_nobody_is_let_in_without_a_right_signature(
    stack: LocalStack, user: User, method: str, path: str
) -> None:
    unknown = stack.aws.as_caller("AKIAIOSFODNN7EXAMPLE", "wrong-secret")
    assert call(stack, stack.aws, method, path, is_signed=False).status == 403
    assert [call(stack, who, method, path).status for who in (unknown, user.aws)] == [403, 403]
    allow(stack, f"{api_id(stack)}/*")
    assert call(stack, user.aws, method, path).status != 403, "a right signature is what lets in"
    assert call(stack, user.with_wrong_secret(), method, path).status == 403


def test_who_may_read_may_not_act(stack: LocalStack, standin: StandInClient, user: User) -> None:
    allow(stack, f"{api_id(stack)}/*/GET/batches")
    assert call(stack, user.aws, "GET", "/batches").status == 200
    assert {call(stack, user.aws, *endpoint).status for endpoint in ENDPOINTS if endpoint[0] == "POST"} == {
        403
    }
    assert standin.audit()["applied"] == []


def test_right_to_another_api_is_none_to_this_one(stack: LocalStack, user: User) -> None:
    allow(stack, f"{api_id(stack)[::-1]}/*")
    assert {call(stack, user.aws, *endpoint).status for endpoint in ENDPOINTS} == {403}


def test_link_to_a_result_opens_it_and_nothing_else(
    stack: LocalStack, batches: BatchClient, customers: dict[str, Decimal]
) -> None:
    batches.drop("inbox/linked.csv", b"customerId,amount,reason\nplayer-04,5,linked\n")
    batch_id = batches.wait_until_ended(batches.wait_for_first("inbox/linked.csv"))["batchId"]
    link = batches.show(batch_id)["links"]["results.csv"]
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).path.endswith(f"/results/{batch_id}/results.csv")
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["900"])
    assert open_link(stack, link) == (200, batches.result_files(batch_id)["results.csv"])
    for changed in (
        link.replace("results.csv", "report.html"),
        link.replace("X-Amz-Expires=900", "X-Amz-Expires=604800"),
        link.partition("?")[0],
    ):
        assert open_link(stack, changed)[0] == 403
    assert open_link(stack, link, "PUT")[0] == 403
    assert open_link(stack, link, "DELETE")[0] == 403


def open_link(stack: LocalStack, link: str, method: str = "GET") -> tuple[int, bytes]:
    http = urllib3.PoolManager(ca_certs=str(stack.aws.ca_bundle) if stack.aws.ca_bundle else None)
    answer = http.request(method, link, retries=False)
    return answer.status, answer.data


def test_keys_are_nowhere_but_in_the_secret(
    stack: LocalStack, batches: BatchClient, standin: StandInClient, customers: dict[str, Decimal]
) -> None:
    """After a batch and transactions that went well, were lost, or were refused for wrong keys."""
    standin.add_fault({"path": "balance-adjustment", "kind": "reset_after", "times": 1})
    batches.drop("inbox/lost.csv", b"customerId,amount,reason\nplayer-05,5,lost\n")
    batches.wait_until_ended(batches.wait_for_first("inbox/lost.csv"))
    assert stack.call_api("POST", "/transactions/manual", {**GIFT, "transactionId": "leak-1"}).status == 200
    standin.change_settings({"secret_key": "rotated"})
    assert stack.call_api("POST", "/transactions/manual", {**GIFT, "transactionId": "leak-2"}).status == 502
    standin.change_settings({"secret_key": STANDIN_KEYS.secret_key})
    looked_through = dict(leaks.left_by(stack))
    kinds = {name.split()[0] for name in looked_through}
    assert kinds >= {"log", "object", "table,", "queue", "run", "stack", "functions"}
    assert any(b"leak-1" in content for content in looked_through.values()), "the search finds what there is"
    assert leaks.places_of(STANDIN_KEYS, looked_through) == []
