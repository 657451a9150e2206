"""What the bucket's adapter does where S3 fails."""

from typing import Any

import pytest

from adjustments.aws.bucket import BucketFiles


class FailingS3:
    """An S3 that refuses one key."""

    def __init__(self, refused: str) -> None:
        self.refused = refused

    def put_object(self, **put: Any) -> None:
        if put["Key"] == self.refused:
            raise OSError(f"no room for {put['Key']}")


@pytest.mark.parametrize("refused", ["work/00", "work/20", "work/39"])
def test_one_put_of_many_that_fails_is_told(refused: str):
    client: Any = FailingS3(refused)
    with pytest.raises(OSError, match=refused), BucketFiles(client, "bucket").put_many() as put:
        for number in range(40):
            put(f"work/{number:02}", b"", "text/plain")
