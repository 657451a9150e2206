"""Least privilege, proven: each granted action is taken away, one at a time, and something fails."""

import re
from collections.abc import Iterator

import pytest

from local.stack import LocalStack
from tests.e2e.roles import Grant, granted, without
from tests.e2e.scenes import Scenes, open_customers

GRANTS = granted()

IN_ITS_NAME = "Lambda does it in the function's name; the emulator does not ask the role"
ABSENCE = (
    "S3 says 403 instead of 404 to those who may not list (GetObject, Permissions); the emulator says 404"
)
NOT_HERE: dict[tuple[str, str], str] = {
    ("*", "logs:CreateLogStream"): IN_ITS_NAME,
    ("*", "logs:PutLogEvents"): IN_ITS_NAME,
    ("*", "sqs:ReceiveMessage"): IN_ITS_NAME,
    ("*", "sqs:DeleteMessage"): IN_ITS_NAME,
    ("*", "sqs:GetQueueAttributes"): IN_ITS_NAME,
    ("Sweep", "KeepFailures"): IN_ITS_NAME,
    ("PollJobs", "s3:ListBucket"): ABSENCE,
    ("SubmitMore", "s3:ListBucket"): ABSENCE,
    ("WriteReport", "s3:ListBucket"): ABSENCE,
    ("AcceptBatch", "s3:ListBucket"): ABSENCE,
    ("BatchApi", "s3:ListBucket"): ABSENCE,
    ("Sweep", "s3:ListBucket"): ABSENCE,
}
"""(function, action), or (function, statement), that the emulator lets through in any case. That those belong
to the function's own log group, queue and bucket, and nothing else does, is read from the template
(template/test_permissions.py).
"""

HERE = [
    grant
    for grant in GRANTS
    if not {("*", grant.action), (grant.function, grant.action), (grant.function, grant.sid)}
    & NOT_HERE.keys()
]
DENIED = re.compile("AccessDenied|AuthorizationError|not authorized")
ABORT = "s3:AbortMultipartUpload"


@pytest.fixture(scope="module")
def scenes(running_stack: LocalStack) -> Iterator[Scenes]:
    played = Scenes(running_stack)
    open_customers(running_stack)
    with played.standing_still():
        yield played


@pytest.mark.parametrize("function", dict.fromkeys(grant.function for grant in GRANTS))
def test_a_function_does_all_of_it_with_exactly_its_role(scenes: Scenes, function: str) -> None:
    went_wrong = {scene.__name__: scene()() for scene in scenes.of[function]}
    assert went_wrong == dict.fromkeys(went_wrong, "")


@pytest.mark.parametrize("grant", [g for g in HERE if g.action != ABORT], ids=str)
def test_without_it_something_fails(running_stack: LocalStack, scenes: Scenes, grant: Grant) -> None:
    for scene in scenes.of[grant.function]:
        act = scene()
        if grant.action == "secretsmanager:GetSecretValue":
            scenes.restart(grant.function)  # a warm one has the keys already
        with without(running_stack, grant):
            failed = act()
        scenes.close_circuit()
        if failed:
            # Where the words don't show that it was the permission, the same scene has to go well with it.
            assert DENIED.search(failed) or scene()() == ""
            return
    pytest.fail(f"{grant} can be taken away unnoticed")


@pytest.mark.parametrize("grant", [g for g in HERE if g.action == ABORT], ids=str)
def test_without_it_parts_of_a_large_file_stay_behind(
    running_stack: LocalStack, scenes: Scenes, grant: Grant
) -> None:
    prefix = grant.resource.removesuffix("*")
    assert scenes.break_upload_off(grant.function, prefix) == ""
    with without(running_stack, grant):
        assert ABORT in scenes.break_upload_off(grant.function, prefix)
    for upload in running_stack.aws.s3.list_multipart_uploads(Bucket=running_stack.outputs["BucketName"])[
        "Uploads"
    ]:
        running_stack.aws.s3.abort_multipart_upload(
            Bucket=running_stack.outputs["BucketName"], Key=upload["Key"], UploadId=upload["UploadId"]
        )
