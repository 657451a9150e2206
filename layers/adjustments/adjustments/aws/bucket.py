"""The files in the S3 bucket: input, work files and results."""

import gzip
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from adjustments.batches.files import (
    ObjectWriter,
    OpenedObject,
    Put,
    StoredObject,
    Upload,
    UploadForm,
    open_unreadable,
)
from adjustments.core.errors import FileUnreadable, NotFound, WrongState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BLOCK_BYTES: Final = 1 << 18
_PART_BYTES: Final = 8 << 20
"""Bytes of one part of a multipart upload: at least 5 MiB and at most 10,000 parts (S3 quotas)."""

_PARALLEL_PUTS: Final = 8
"""Parallel puts: each waits some 20 ms, and eight keep up with one processor that plans."""

_COMPRESSED_BYTES_MIN: Final = 1_024
"""Bytes from which a small object is stored compressed."""

_EXISTS_CODES: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NOT_FOUND_CODES: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"})
"""How S3 answers where there is no such object; MethodNotAllowed where the version is a delete marker."""

_UNUSABLE_KEY: Final = frozenset(
    {"KMS.DisabledException", "KMS.InvalidStateException", "KMS.KMSInvalidStateException"}
    | {"KMS.NotFoundException"}
)
"""How S3 answers where the KMS key of an object is disabled, deleted, or not there."""

_ARCHIVED_MESSAGE: Final = (
    "the file is archived (storage class {}) and can't be read at once: nothing of it was sent. Upload it "
    "again in storage class STANDARD"
)
_CUSTOMER_KEY_MESSAGE: Final = (
    "the file is encrypted with a key that only its uploader has (SSE-C): nothing of it was sent. Upload it "
    "again without that key"
)
_KMS_KEY_MESSAGE: Final = (
    "the file is encrypted with a KMS key that this stack may not use: nothing of it was sent. Upload it "
    "again with the bucket's own encryption"
)
_CHANGED_CODES: Final = _EXISTS_CODES | {"NoSuchKey"}
"""S3's codes where the object is not the one that a conditional write may replace."""


class BucketFiles:
    """Reads and writes objects of one bucket."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def describe(self, key: str, version_id: str | None) -> StoredObject:
        """See ``Files``."""
        with _raising_not_found(key):
            head = self._client.head_object(Bucket=self.bucket, Key=key, **_version(version_id))
        return self._described(key, version_id, head)

    def open(self, key: str, version_id: str | None) -> OpenedObject:
        """See ``Files``."""
        try:
            answer = self._get(key, version_id)
        except FileUnreadable as unreadable:
            return open_unreadable(self._listed(key, version_id), unreadable.message)
        return OpenedObject(
            self._described(key, version_id, answer), answer["Body"].iter_chunks(_BLOCK_BYTES)
        )

    def _described(self, key: str, version_id: str | None, answer: Any) -> StoredObject:
        return StoredObject(
            bucket=self.bucket,
            key=key,
            version_id=answer.get("VersionId", version_id or ""),
            size_bytes=answer["ContentLength"],
            modified_at=answer["LastModified"],
            metadata=answer.get("Metadata", {}),
        )

    def blocks(self, source: StoredObject) -> Iterator[bytes]:
        """See ``Files``."""
        yield from self._get(source.key, source.version_id)["Body"].iter_chunks(_BLOCK_BYTES)

    def _get(self, key: str, version_id: str | None) -> Any:
        """Begin to read an object; raises NotFound or FileUnreadable."""
        try:
            with _raising_not_found(key):
                return self._client.get_object(Bucket=self.bucket, Key=key, **_version(version_id))
        except ClientError as error:
            message = self._why_unreadable(error, key, version_id)
            if not message:
                raise
            raise FileUnreadable("file_unreadable", message) from error

    def _why_unreadable(self, error: ClientError, key: str, version_id: str | None) -> str:
        """Say why an object can't be read, now or later; empty where S3's answer may be an outage of ours.

        An object whose key we may not use and a right that our role lacks are both AccessDenied.
        """
        match _code_of(error):
            case "InvalidObjectState":
                fields: Any = {**error.response["Error"], **error.response}
                return _ARCHIVED_MESSAGE.format(
                    fields.get("StorageClass") or fields.get("AccessTier") or "unknown"
                )
            case "InvalidRequest":
                return _CUSTOMER_KEY_MESSAGE
            case "AccessDenied" if self._is_encrypted_by_kms(key, version_id):
                return _KMS_KEY_MESSAGE
            case code if code in _UNUSABLE_KEY:
                return _KMS_KEY_MESSAGE
        return ""

    def _is_encrypted_by_kms(self, key: str, version_id: str | None) -> bool:
        """Whether a key of KMS is needed to read the object; to look at it, none is needed."""
        try:
            head = self._client.head_object(Bucket=self.bucket, Key=key, **_version(version_id))
        except ClientError:
            return False
        return head.get("ServerSideEncryption", "").startswith("aws:kms")

    def _listed(self, key: str, version_id: str | None) -> StoredObject:
        """Look at an object that can't be read, in the list of versions, where no key is needed."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=key)
        for page in pages:
            for entry in page.get("Versions", []):
                if entry["Key"] == key and version_id in (None, entry["VersionId"]):
                    return self._stored(entry)
                if entry["Key"] > key:
                    break
        raise NotFound(f"there is no object {key}")

    def _stored(self, entry: Any) -> StoredObject:
        return StoredObject(
            self.bucket, entry["Key"], entry["VersionId"], entry["Size"], entry["LastModified"], metadata={}
        )

    def blocks_from(self, key: str, start: int, tag: str) -> Iterator[bytes]:
        """See ``Files``."""
        try:
            with _raising_not_found(key):
                answer = self._client.get_object(
                    Bucket=self.bucket, Key=key, Range=f"bytes={start}-", IfMatch=tag
                )
        except ClientError as error:
            if _code_of(error) in _EXISTS_CODES:
                raise WrongState(f"object {key} was changed meanwhile") from error
            raise
        yield from answer["Body"].iter_chunks(_BLOCK_BYTES)

    def get(self, key: str) -> bytes:
        """See ``Files``."""
        with _raising_not_found(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
        body = answer["Body"].read()
        return gzip.decompress(body) if answer.get("ContentEncoding") == "gzip" else body

    def get_range(self, key: str, first: int, end: int) -> bytes:
        """See ``Files``."""
        with _raising_not_found(key):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{end - 1}")
        return answer["Body"].read()

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """See ``Files``."""
        self._client.put_object(Bucket=self.bucket, Key=key, ContentType=content_type, **compress(body))

    @contextmanager
    def put_many(self) -> Iterator[Put]:
        """See ``Files``."""
        pending: deque[Future[None]] = deque()

        def put(key: str, body: bytes, content_type: str) -> None:
            if len(pending) == _PARALLEL_PUTS:
                pending.popleft().result()
            pending.append(pool.submit(self.put, key, body, content_type))

        with ThreadPoolExecutor(_PARALLEL_PUTS) as pool:
            yield put
            for future in pending:
                future.result()

    # Conditional writes need botocore 1.35.69 (``limits.BOTOCORE_MIN``).
    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """See ``Files``."""
        try:
            self._client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if _code_of(error) in _EXISTS_CODES:
                return False
            raise
        return True

    def link(self, key: str, seconds: int) -> str:
        """See ``Files``."""
        target = {"Bucket": self.bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=target, ExpiresIn=seconds)

    def upload_form(self, upload: Upload, seconds: int) -> UploadForm:
        """See ``Files``."""
        fixed = {f"x-amz-meta-{name}": text for name, text in upload.metadata.items()}
        form = self._client.generate_presigned_post(
            self.bucket,
            upload.key,
            Fields=fixed,
            Conditions=[*({name: text} for name, text in fixed.items()), _size(upload.bytes_max)],
            ExpiresIn=seconds,
        )
        return UploadForm(form["url"], form["fields"])

    def tag(self, key: str) -> str:
        """See ``Files``."""
        try:
            with _raising_not_found(key):
                return self._client.head_object(Bucket=self.bucket, Key=key)["ETag"]
        except NotFound:
            return ""

    @contextmanager
    def writer(self, key: str, content_type: str, replaces: str | None = None) -> Iterator[ObjectWriter]:
        """See ``Files``."""
        upload = _Upload(self._client, self.bucket, key, content_type, replaces)
        try:
            yield upload
            upload.finish()
        except BaseException as error:
            upload.abandon()
            if replaces is not None and _code_of(error) in _CHANGED_CODES:
                raise WrongState(f"object {key} was changed meanwhile") from error
            raise

    def names(self, prefix: str) -> list[str]:
        """See ``Files``."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def versions(self, prefix: str, since: datetime, until: datetime) -> Iterator[StoredObject]:
        """See ``Files``."""
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Versions", []):
                if since <= entry["LastModified"] < until:
                    yield self._stored(entry)


def compress(body: bytes) -> Any:
    """Arguments of PutObject for a small object: its body as it is, or compressed at the fastest level."""
    if len(body) < _COMPRESSED_BYTES_MIN:
        return {"Body": body}
    return {"Body": gzip.compress(body, 1, mtime=0), "ContentEncoding": "gzip"}


class _Upload:
    """One object that is being written: a single put while it is small, a multipart upload when it grows."""

    def __init__(
        self, client: "S3Client", bucket: str, key: str, content_type: str, replaces: str | None
    ) -> None:
        self._client = client
        self._target: Any = {"Bucket": bucket, "Key": key}
        self._content_type = content_type
        self._condition: Any = {}
        if replaces is not None:
            self._condition = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        self._buffer = bytearray()
        self._upload_id = ""
        self._parts: list[Any] = []

    def write(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _PART_BYTES:
            self._send_part()

    def finish(self) -> None:
        if not self._upload_id:
            self._client.put_object(
                **self._target, **self._condition, Body=bytes(self._buffer), ContentType=self._content_type
            )
            return
        if self._buffer:
            self._send_part()
        self._client.complete_multipart_upload(
            **self._target,
            **self._condition,
            UploadId=self._upload_id,
            MultipartUpload={"Parts": self._parts},
        )

    def abandon(self) -> None:
        if self._upload_id:
            self._client.abort_multipart_upload(**self._target, UploadId=self._upload_id)

    def _send_part(self) -> None:
        if not self._upload_id:
            created = self._client.create_multipart_upload(**self._target, ContentType=self._content_type)
            self._upload_id = created["UploadId"]
        number = len(self._parts) + 1
        sent = self._client.upload_part(
            **self._target, UploadId=self._upload_id, PartNumber=number, Body=bytes(self._buffer)
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._buffer.clear()


def _size(bytes_max: int) -> list[str | int]:
    return ["content-length-range", 1, bytes_max]


def _version(version_id: str | None) -> Any:
    return {"VersionId": version_id} if version_id else {}


@contextmanager
def _raising_not_found(key: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _code_of(error) in _NOT_FOUND_CODES:
            raise NotFound(f"there is no object {key}") from error
        raise


def _code_of(error: BaseException) -> str:
    """The code of S3's answer, empty for any other error."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
