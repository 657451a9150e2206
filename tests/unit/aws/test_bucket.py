"""What the bucket's adapter does where S3 fails."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from adjustments.aws.bucket import BucketFiles
from adjustments.core.errors import FileUnreadable, NotFound

KEY = "inbox/file.csv"
OF_VERSION = {"Bucket": "bucket", "Key": KEY, "VersionId": "v1"}
LISTED = {"Key": KEY, "VersionId": "v1", "Size": 7, "LastModified": datetime(2026, 11, 29, tzinfo=UTC)}
KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "arn:aws:kms:eu-central-1:123456789012:key/other"}


class FailingS3:
    """An S3 that refuses one key."""

    def __init__(self, refused: str) -> None:
        self.refused = refused

    def put_object(self, **put: Any) -> None:
        if put["Key"] == self.refused:
            raise OSError(f"no room for {put['Key']}")


@pytest.mark.parametrize("refused", ["work/00", "work/20", "work/39"])
def test_put_many_raises_the_error_of_one_put(refused: str):
    client: Any = FailingS3(refused)
    with pytest.raises(OSError, match=refused), BucketFiles(client, "bucket").put_many() as put:
        for number in range(40):
            put(f"work/{number:02}", b"", "text/plain")


def stubbed() -> tuple[BucketFiles, Stubber]:
    """The adapter on a client that answers what it is told; nothing goes out."""
    client = boto3.client(
        "s3", region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    return BucketFiles(client, "bucket"), Stubber(client)


UNREADABLE = [
    (403, "InvalidObjectState", {"StorageClass": "DEEP_ARCHIVE"}, None, "storage class DEEP_ARCHIVE"),
    (403, "InvalidObjectState", {"AccessTier": "ARCHIVE_ACCESS"}, None, "storage class ARCHIVE_ACCESS"),
    (400, "InvalidRequest", {}, None, "SSE-C"),
    (403, "AccessDenied", {}, KMS, "KMS key"),
    (400, "KMS.DisabledException", {}, None, "KMS key"),
    (400, "KMS.NotFoundException", {}, None, "KMS key"),
]
"""S3's answer to a GET, to a HEAD after it, and what the refusal names."""


@pytest.mark.parametrize(("status", "code", "fields", "head", "named"), UNREADABLE)
def test_object_that_nobody_can_read_is_opened_and_says_why_when_it_is_read(
    status: int, code: str, fields: dict[str, Any], head: dict[str, Any] | None, named: str
):
    files, s3 = stubbed()
    s3.add_client_error("get_object", code, http_status_code=status, modeled_fields=fields)
    if head is not None:
        s3.add_response("head_object", head, OF_VERSION)
    s3.add_response(
        "list_object_versions",
        {"Versions": [LISTED | {"VersionId": "v2"}, LISTED]},
        {"Bucket": "bucket", "Prefix": KEY},
    )
    with s3:
        opened = files.open(KEY, "v1")
    assert (opened.stored.version_id, opened.stored.modified_at) == ("v1", LISTED["LastModified"])
    with pytest.raises(FileUnreadable, match=named) as raised:
        next(opened.blocks)
    assert "Upload it again" in raised.value.message


@pytest.mark.parametrize("head", [{}, {"ServerSideEncryption": "AES256"}, None])
def test_right_that_our_role_lacks_is_an_outage_and_no_fault_of_the_file(head: dict[str, Any] | None):
    files, s3 = stubbed()
    s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
    if head is None:
        s3.add_client_error("head_object", "403", http_status_code=403)
    else:
        s3.add_response("head_object", head, OF_VERSION)
    with s3, pytest.raises(ClientError, match="AccessDenied"):
        files.open(KEY, "v1")


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "KMS.ThrottlingException"])
def test_outage_of_s3_is_no_fault_of_the_file(code: str):
    files, s3 = stubbed()
    s3.add_client_error("get_object", code, http_status_code=503)
    with s3, pytest.raises(ClientError, match=code):
        files.open(KEY, "v1")


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion", "MethodNotAllowed"])
def test_deleted_object_is_not_found(code: str):
    files, s3 = stubbed()
    s3.add_client_error("get_object", code, http_status_code=404)
    with s3, pytest.raises(NotFound):
        files.open(KEY, "v1")


def test_object_deleted_while_it_was_looked_at_is_not_found():
    files, s3 = stubbed()
    s3.add_client_error("get_object", "InvalidRequest", http_status_code=400)
    s3.add_response("list_object_versions", {"Versions": [LISTED | {"Key": KEY + ".csv"}]})
    with s3, pytest.raises(NotFound):
        files.open(KEY, "v1")
