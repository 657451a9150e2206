"""What every Files does: the fake in memory, and the bucket."""

import base64
import json
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest
import urllib3

from adjustments.aws.bucket import BucketFiles
from adjustments.batches.files import Files, StoredObject, Upload, UploadForm
from adjustments.core.errors import FileUnreadable, NotFound, WrongState
from local.aws import Aws
from tests.fakes.memory import ManualClock, MemoryFiles

MIB = 1 << 20
ODD_KEYS = [
    "inbox/with blank.csv",
    "inbox/plus+and&and=and?and#.csv",
    "inbox/100% sure%20.csv",
    "inbox/Österreich – Prämien.csv",
    "inbox/プレイヤー.csv",
    "inbox/😀.csv",
    "inbox/quote\"and'apostrophe.csv",
    "inbox/back\\slash.csv",
    "inbox//two slashes.csv",
    "inbox/a/b/c.csv",
    "inbox/semi;colon:comma,at@.csv",
    "inbox/[bracket]{brace}<less>.csv",
    "inbox/~tilde`tick^hat|bar.csv",
    "inbox/tab\tin it.csv",
    "inbox/.csv",
    f"inbox/{'l' * 1000}.csv",
]


class Dropping(Protocol):
    """Puts an object there as a person would."""

    def __call__(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> StoredObject: ...


@pytest.fixture
def clock() -> ManualClock:
    """The fake's clock."""
    return ManualClock()


@pytest.fixture
def files(kind: str, request: pytest.FixtureRequest, clock: ManualClock) -> Files:
    """An empty bucket."""
    if kind == "memory":
        return MemoryFiles(clock)
    return BucketFiles(request.getfixturevalue("aws").s3, request.getfixturevalue("bucket"))


@pytest.fixture
def drop(files: Files, request: pytest.FixtureRequest) -> Dropping:
    """Drops objects into the bucket, past the port."""
    if isinstance(files, MemoryFiles):
        return files.drop
    aws: Aws = request.getfixturevalue("aws")
    bucket: str = request.getfixturevalue("bucket")

    def put(key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> StoredObject:
        put = aws.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=dict(metadata or {}))
        return files.describe(key, put["VersionId"])

    return put


def test_object_in_an_archive_can_be_named_and_says_why_it_can_not_be_read(
    files: Files, request: pytest.FixtureRequest
):
    key = "inbox/cold.csv"
    if isinstance(files, MemoryFiles):
        files.drop(key, b"a,b\n")
        files.unreadable[key] = "the file is archived (storage class GLACIER)"
    else:
        aws: Aws = request.getfixturevalue("aws")
        aws.s3.put_object(Bucket=files.bucket, Key=key, Body=b"a,b\n", StorageClass="GLACIER")
    opened = files.open(key, None)
    assert (opened.stored.key, opened.stored.size_bytes) == (key, 4)
    for blocks in (opened.blocks, files.blocks(opened.stored)):
        with pytest.raises(FileUnreadable, match="GLACIER"):
            next(blocks)


def test_object_with_a_key_of_its_uploader_can_be_named_and_says_why_it_can_not_be_read(
    files: Files, request: pytest.FixtureRequest
):
    key = "inbox/secret.csv"
    if isinstance(files, MemoryFiles):
        files.drop(key, b"a,b\n")
        files.unreadable[key] = "the file is encrypted with a key that only its uploader has (SSE-C)"
    else:
        aws: Aws = request.getfixturevalue("aws")
        aws.s3.put_object(
            Bucket=files.bucket,
            Key=key,
            Body=b"a,b\n",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey="k" * 32,
        )
    opened = files.open(key, None)
    with pytest.raises(FileUnreadable, match="SSE-C"):
        next(opened.blocks)


def write(files: Files, key: str, pieces: Iterator[bytes]) -> None:
    with files.writer(key, "text/csv") as out:
        for piece in pieces:
            out.write(piece)


def test_what_is_put_side_by_side_is_there_when_the_block_is_left(files: Files):
    with files.put_many() as put:
        for number in range(40):
            put(f"work/{number:02}", str(number).encode() * 1000, "text/plain")
    for number in range(40):
        assert files.get(f"work/{number:02}") == str(number).encode() * 1000


def test_an_object_is_described_with_its_newest_version(files: Files, drop: Dropping):
    first = drop("inbox/f.csv", b"old")
    second = drop("inbox/f.csv", b"newer")
    assert first.version_id != second.version_id
    assert files.describe("inbox/f.csv", None) == second
    assert (second.key, second.size_bytes) == ("inbox/f.csv", 5)
    assert second.modified_at.tzinfo is not None


def test_an_earlier_version_is_described_as_it_was(files: Files, drop: Dropping):
    first = drop("inbox/f.csv", b"old", {"dry-run": "true"})
    drop("inbox/f.csv", b"newer")
    found = files.describe("inbox/f.csv", first.version_id)
    assert found == first
    assert (found.size_bytes, found.metadata) == (3, {"dry-run": "true"})


@pytest.mark.parametrize("name", ["dry-run", "Dry-Run", "DRY-RUN"])
def test_names_of_metadata_are_lower_case_however_they_were_given(files: Files, drop: Dropping, name: str):
    drop("inbox/f.csv", b"x", {name: "True"})
    assert files.describe("inbox/f.csv", None).metadata == {"dry-run": "True"}


def test_what_is_written_by_us_has_no_metadata(files: Files):
    files.put("work/a", b"x", "text/plain")
    write(files, "work/b", iter([b"x"]))
    assert [dict(files.describe(key, None).metadata) for key in ("work/a", "work/b")] == [{}, {}]


def test_an_object_is_opened_as_it_is_described_and_read_once(files: Files, drop: Dropping):
    first = drop("inbox/a.csv", b"one" * 200_000, {"dry-run": "true"})
    drop("inbox/a.csv", b"two")
    for version, body in ((first.version_id, b"one" * 200_000), (None, b"two")):
        stored, blocks = files.open("inbox/a.csv", version)
        assert stored == files.describe("inbox/a.csv", version)
        assert b"".join(blocks) == body
        assert list(blocks) == []


def test_an_opened_object_need_not_be_read(files: Files, drop: Dropping):
    drop("inbox/a.csv", b"one" * 200_000)
    for _ in range(40):  # more than there are connections
        files.open("inbox/a.csv", None)
    assert files.get("inbox/a.csv") == b"one" * 200_000


def test_a_missing_object_is_not_found_by_any_way(files: Files, drop: Dropping):
    there = drop("inbox/there.csv", b"x")
    gone = StoredObject(there.bucket, "inbox/gone.csv", there.version_id, 1, there.modified_at, {})
    for look in (
        lambda: files.describe("inbox/gone.csv", None),
        lambda: files.get("inbox/gone.csv"),
        lambda: files.open("inbox/gone.csv", None),
        lambda: list(files.blocks(gone)),
    ):
        with pytest.raises(NotFound, match=r"inbox/gone\.csv"):
            look()


def test_a_missing_object_is_noticed_when_its_first_block_is_asked_for(files: Files, drop: Dropping):
    there = drop("inbox/there.csv", b"x")
    blocks = files.blocks(
        StoredObject(there.bucket, "inbox/gone.csv", there.version_id, 1, there.modified_at, {})
    )
    with pytest.raises(NotFound):
        next(blocks)


def test_a_version_of_another_object_is_not_found(files: Files, drop: Dropping):
    drop("inbox/other.csv", b"a")
    other = drop("inbox/other.csv", b"b")
    drop("inbox/f.csv", b"c")
    with pytest.raises(NotFound):
        files.describe("inbox/f.csv", other.version_id)


def test_exactly_the_version_that_was_described_is_streamed(files: Files, drop: Dropping):
    first = drop("inbox/f.csv", b"first")
    second = drop("inbox/f.csv", b"second")
    assert b"".join(files.blocks(first)) == b"first"
    assert b"".join(files.blocks(second)) == b"second"


def test_a_version_that_is_replaced_while_it_is_streamed_is_streamed_to_its_end(files: Files, drop: Dropping):
    old = b"0123456789" * 100_000
    blocks = files.blocks(drop("inbox/f.csv", old))
    begin = next(blocks)
    drop("inbox/f.csv", b"new")
    assert begin + b"".join(blocks) == old


def test_long_objects_come_in_blocks(files: Files, drop: Dropping):
    body = bytes(range(256)) * 8 * 1024
    blocks = list(files.blocks(drop("inbox/f.csv", body)))
    assert b"".join(blocks) == body
    assert len(blocks) > 1


def test_an_empty_object_has_no_bytes(files: Files, drop: Dropping):
    dropped = drop("inbox/f.csv", b"")
    assert dropped.size_bytes == 0
    assert b"".join(files.blocks(dropped)) == b""
    assert files.get("inbox/f.csv") == b""


def test_the_newest_version_is_read(files: Files):
    files.put("work/a", b"one", "text/plain")
    files.put("work/a", b"two", "text/plain")
    assert files.get("work/a") == b"two"


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 1_023, b"x" * 1_024, bytes(range(256)) * 999])
def test_a_small_object_is_read_as_it_was_put(files: Files, body: bytes):
    files.put("work/a", body, "application/json")
    with files.put_many() as put:
        put("work/b", body, "application/json")
    assert (files.get("work/a"), files.get("work/b")) == (body, body)


def test_a_part_of_an_object_is_read(files: Files):
    with files.writer("work/range", "application/octet-stream") as out:
        out.write(bytes(range(256)) * 64)
    assert files.get_range("work/range", 8, 24) == bytes(range(8, 24))
    assert files.get_range("work/range", 16_380, 16_384) == bytes(range(252, 256))
    with pytest.raises(NotFound):
        files.get_range("work/no-range", 0, 8)


def test_only_the_first_of_two_that_put_a_new_object_does_so(files: Files):
    assert files.put_new("inbox/api.json", b"first", "application/json")
    assert not files.put_new("inbox/api.json", b"second", "application/json")
    assert files.get("inbox/api.json") == b"first"
    assert files.put_new("inbox/other.json", b"second", "application/json")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_keys_like_any_other(files: Files, drop: Dropping, key: str):
    dropped = drop(key, b"a,b\n")
    assert dropped.key == key
    assert files.describe(key, None) == dropped
    assert b"".join(files.blocks(dropped)) == b"a,b\n"
    assert files.names("inbox/") == [key]
    around = timedelta(minutes=1)
    found = files.versions("inbox/", dropped.modified_at - around, dropped.modified_at + around)
    assert [(stored.key, stored.version_id) for stored in found] == [(key, dropped.version_id)]
    write(files, key, iter([b"new"]))
    assert files.get(key) == b"new"


@pytest.mark.parametrize(
    "key",
    [
        "inbox/../results/r.csv",
        "inbox/./../results/r.csv",
        "inbox/%2e%2e/results/r.csv",
        "inbox/..%2fresults/r.csv",
        "/results/r.csv",
        "results//r.csv",
        "./results/r.csv",
        "results%2Fr.csv",
        "results/r.csv?versionId=null",
        "results/r.csv#",
    ],
)
def test_a_key_is_no_path_and_leads_to_no_other_object(files: Files, drop: Dropping, key: str):
    drop("results/r.csv", b"customers")
    stored = drop("results/r.csv", b"customers")
    for look in (
        lambda: files.describe(key, None),
        lambda: files.get(key),
        lambda: list(files.blocks(StoredObject(stored.bucket, key, "", 9, stored.modified_at, {}))),
    ):
        with pytest.raises(NotFound):
            look()


# --- writing ----------------------------------------------------------------------------------------------


def test_an_object_written_piece_by_piece_is_one_object(files: Files):
    write(files, "results/r.csv", iter([b"a", b"", b"bc", b"d"]))
    assert files.get("results/r.csv") == b"abcd"
    assert files.names("results/") == ["results/r.csv"]


def test_nothing_written_is_an_empty_object(files: Files):
    write(files, "results/r.csv", iter([]))
    assert files.get("results/r.csv") == b""


@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 17 * MIB])
def test_objects_about_the_size_of_a_part_are_whole(files: Files, size: int):
    body = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    write(files, "results/r.csv", (body[start : start + 300_000] for start in range(0, size, 300_000)))
    assert files.describe("results/r.csv", None).size_bytes == size
    assert files.get("results/r.csv") == body


def test_one_piece_may_be_larger_than_a_part(files: Files):
    body = b"x" * (9 * MIB)
    write(files, "results/r.csv", iter([body, b"y"]))
    assert files.get("results/r.csv") == body + b"y"


@pytest.mark.parametrize("pieces", [0, 1, 9, 20])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_appears_of_an_object_whose_writing_ends_by_an_error(
    files: Files, pieces: int, error: type[BaseException]
):
    with pytest.raises(error), files.writer("results/r.csv", "text/csv") as out:
        for _ in range(pieces):
            out.write(b"x" * MIB)
        raise error
    assert files.names("results/") == []
    with pytest.raises(NotFound):
        files.describe("results/r.csv", None)


@pytest.mark.parametrize("pieces", [1, 9])
def test_an_error_leaves_the_version_before_as_it_was(files: Files, pieces: int):
    files.put("results/r.csv", b"before", "text/csv")
    with pytest.raises(ValueError, match="no"), files.writer("results/r.csv", "text/csv") as out:
        for _ in range(pieces):
            out.write(b"x" * MIB)
        raise ValueError("no")
    assert files.get("results/r.csv") == b"before"


def test_an_object_does_not_appear_before_it_is_whole(files: Files):
    with files.writer("results/r.csv", "text/csv") as out:
        for _ in range(9):
            out.write(b"x" * MIB)
        assert files.names("results/") == []
    assert files.names("results/") == ["results/r.csv"]


def test_two_objects_may_be_written_at_once(files: Files):
    with files.writer("results/a", "text/csv") as a, files.writer("results/b", "text/csv") as b:
        for _ in range(9):
            a.write(b"a" * MIB)
            b.write(b"b" * MIB)
    assert files.get("results/a") == b"a" * 9 * MIB
    assert files.get("results/b") == b"b" * 9 * MIB


def test_what_is_written_anew_is_a_new_version(files: Files):
    write(files, "results/r.csv", iter([b"old"]))
    old = files.describe("results/r.csv", None)
    write(files, "results/r.csv", iter([b"x" * MIB for _ in range(9)]))
    assert files.describe("results/r.csv", None).version_id != old.version_id
    assert b"".join(files.blocks(old)) == b"old"


# --- lists ------------------------------------------------------------------------------------------------


def test_names_are_those_below_a_prefix_in_order_each_once(files: Files):
    for key in ("work/b1/c", "work/b1/a", "work/b10/a", "work/b1/a", "work/b2/a", "work/b1/B", "work/b1/ä"):
        files.put(key, b"", "text/plain")
    assert files.names("work/b1/") == ["work/b1/B", "work/b1/a", "work/b1/c", "work/b1/ä"]
    assert files.names("work/b3/") == []


def test_more_names_than_a_page_holds_are_all_told(files: Files):
    keys = [f"work/b1/{number:04}" for number in range(1_050)]
    for key in keys:
        files.put(key, b"", "text/plain")
    assert files.names("work/b1/") == keys


def test_versions_tells_each_version_below_the_prefix_newest_first(files: Files, drop: Dropping):
    dropped = [drop(key, key.encode()) for key in ("inbox/b", "inbox/a", "inbox/b", "recurring/a")]
    times = [stored.modified_at for stored in dropped]
    second = timedelta(seconds=1)
    found = list(files.versions("inbox/", min(times) - second, max(times) + second))
    expected = [dropped[1], dropped[2], dropped[0]]
    assert [(v.key, v.version_id, v.size_bytes, v.bucket) for v in found] == [
        (v.key, v.version_id, v.size_bytes, v.bucket) for v in expected
    ]
    assert [dict(stored.metadata) for stored in found] == [{}, {}, {}]


def test_versions_keeps_to_its_times_of_which_the_later_one_is_not_within(files: Files, drop: Dropping):
    drop("inbox/a", b"")
    minute = timedelta(minutes=1)
    [listed] = files.versions("inbox/", *around(files))
    at = listed.modified_at
    counts = [
        len(list(files.versions("inbox/", since, until)))
        for since, until in ((at, at + minute), (at - minute, at), (at - minute, at + minute / 1e6))
    ]
    assert counts == [1, 0, 1]


def test_versions_leaves_the_metadata_out(files: Files, drop: Dropping):
    drop("inbox/a", b"", {"dry-run": "true"})
    [listed] = files.versions("inbox/", *around(files))
    assert dict(listed.metadata) == {}


def around(files: Files) -> tuple:  # type: ignore[type-arg]
    at = files.describe("inbox/a", None).modified_at
    return at - timedelta(minutes=1), at + timedelta(minutes=1)


# --- what may be replaced ---------------------------------------------------------------------------------


def replace(files: Files, body: bytes, tag: str) -> None:
    with files.writer("results/r.csv", "text/csv", tag) as out:
        out.write(body)


def test_the_tag_of_an_object_is_empty_where_there_is_none_and_changes_with_what_it_holds(files: Files):
    tags = [files.tag("results/r.csv")]
    for body in (b"one", b"two", b""):
        files.put("results/r.csv", body, "text/csv")
        tags.append(files.tag("results/r.csv"))
    assert tags[0] == ""
    assert len(set(tags)) == 4
    assert files.tag("results/r.csv") == tags[-1]


@pytest.mark.parametrize("size", [3, 9 * MIB])
def test_what_was_not_changed_is_replaced(files: Files, size: int):
    replace(files, b"a" * size, files.tag("results/r.csv"))
    replace(files, b"b" * size, files.tag("results/r.csv"))
    assert files.get("results/r.csv") == b"b" * size


@pytest.mark.parametrize("size", [3, 9 * MIB])
@pytest.mark.parametrize("is_there", [False, True])
def test_what_was_changed_meanwhile_stays_as_it_is(files: Files, is_there: bool, size: int):
    if is_there:
        files.put("results/r.csv", b"before", "text/csv")
    tag = files.tag("results/r.csv")
    files.put("results/r.csv", b"meanwhile", "text/csv")
    with pytest.raises(WrongState):
        replace(files, b"late" * size, tag)
    assert files.get("results/r.csv") == b"meanwhile"


@pytest.mark.parametrize("size", [3, 9 * MIB])
def test_of_two_that_write_at_once_the_second_is_refused(files: Files, size: int):
    tag = files.tag("results/r.csv")
    with pytest.raises(WrongState), files.writer("results/r.csv", "text/csv", tag) as late:
        late.write(b"l" * size)
        replace(files, b"first", tag)
    assert files.get("results/r.csv") == b"first"


def test_what_should_be_there_and_is_not_is_not_written(files: Files):
    files.put("results/other.csv", b"x", "text/csv")
    with pytest.raises(WrongState):
        replace(files, b"late", files.tag("results/other.csv"))
    assert files.names("results/") == ["results/other.csv"]


# --- only the bucket --------------------------------------------------------------------------------------


def test_an_upload_that_ends_by_an_error_leaves_no_parts_behind(aws: Aws, bucket: str):
    files = BucketFiles(aws.s3, bucket)
    with pytest.raises(ValueError, match="no"), files.writer("results/r.csv", "text/csv") as out:
        out.write(b"x" * 9 * MIB)
        assert aws.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        raise ValueError("no")
    assert not aws.s3.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("size", [3, 9 * MIB])
def test_the_type_of_the_content_is_kept(aws: Aws, bucket: str, size: int):
    with BucketFiles(aws.s3, bucket).writer("results/report.html", "text/html; charset=utf-8") as out:
        out.write(b"x" * size)
    head = aws.s3.head_object(Bucket=bucket, Key="results/report.html")
    assert head["ContentType"] == "text/html; charset=utf-8"


def test_work_files_are_stored_compressed_and_what_people_read_is_not(aws: Aws, bucket: str):
    files = BucketFiles(aws.s3, bucket)
    row = b'{"customerId":"player-00000001","amount":10,"reason":"Spring campaign"}\n'
    files.put("work/rows.json", row * 1_000, "application/json")
    stored = aws.s3.get_object(Bucket=bucket, Key="work/rows.json")
    assert stored["ContentEncoding"] == "gzip"
    assert stored["ContentType"] == "application/json"
    assert stored["ContentLength"] < len(row) * 100
    with files.writer("results/r.csv", "text/csv") as out:
        out.write(row * 1_000)
    assert aws.s3.get_object(Bucket=bucket, Key="results/r.csv")["Body"].read() == row * 1_000


def test_bytes_are_streamed_from_any_place_of_the_content_with_a_tag(files: Files):
    body = bytes(range(256)) * 100
    files.put("results/b/r.csv", body, "text/csv")
    with files.writer("results/b/r.csv", "text/csv") as out:
        out.write(body)
    tag = files.tag("results/b/r.csv")
    for start in (0, 1, 5_000, len(body) - 1):
        assert b"".join(files.blocks_from("results/b/r.csv", start, tag)) == body[start:]
    with pytest.raises(WrongState):
        list(files.blocks_from("results/b/r.csv", 0, '"another"'))
    with pytest.raises(NotFound):
        list(files.blocks_from("results/b/none.csv", 0, tag))


UPLOAD = Upload("inbox/uploads/u 1/f.csv", {"submitted-by": "arn:ann", "dry-run": "true"}, 10)


def post(form: UploadForm, content: bytes, **changed: str) -> int:
    """Send a form as a browser does."""
    fields: Mapping[str, Any] = {**form.fields, **changed, "file": ("f.csv", content, "text/csv")}
    return urllib3.request("POST", form.url, fields=fields).status


def test_a_form_puts_the_object_that_it_is_for(aws: Aws, bucket: str):
    files = BucketFiles(aws.s3, bucket)
    assert post(files.upload_form(UPLOAD, 60), b"rows") in (200, 204)
    stored = files.describe(UPLOAD.key, None)
    assert (stored.size_bytes, stored.metadata) == (4, UPLOAD.metadata)


def test_a_form_bounds_key_size_metadata_and_time(aws: Aws, bucket: str):
    """What a form lets in is in its policy, which S3 holds it to (Amazon S3 API, "Browser-based uploads")."""
    before = datetime.now(UTC)
    form = BucketFiles(aws.s3, bucket).upload_form(UPLOAD, 60)
    policy = json.loads(base64.b64decode(form.fields["policy"]))
    assert ["content-length-range", 1, 10] in policy["conditions"]
    for fixed in ({"key": UPLOAD.key}, {"x-amz-meta-submitted-by": "arn:ann"}, {"bucket": bucket}):
        assert fixed in policy["conditions"]
    ends = datetime.fromisoformat(policy["expiration"])
    assert timedelta(seconds=55) < ends - before < timedelta(seconds=65)


def test_a_link_reads_the_object_without_keys(aws: Aws, bucket: str):
    files = BucketFiles(aws.s3, bucket)
    files.put("results/b 1/r.csv", b"rows", "text/csv")
    with urllib.request.urlopen(files.link("results/b 1/r.csv", 60), timeout=10) as answer:
        assert answer.read() == b"rows"
