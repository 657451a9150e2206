"""The table of the design page: what follows from what is known."""

import pytest

from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.chunk_retry import FollowUp, follow_up, pause


@pytest.mark.parametrize(
    ("error", "follows"),
    [
        (GameballUnavailable("refused"), FollowUp.TRY_LATER),
        (GameballThrottled("429"), FollowUp.TRY_LATER),
        (GameballUnauthorized("401"), FollowUp.PAUSE_BATCH),
        (GameballRefused("400"), FollowUp.SPLIT),
        (OutcomeUnknown("read time-out"), FollowUp.IN_DOUBT),
        (GameballError("nobody foresaw this"), FollowUp.IN_DOUBT),
    ],
)
def test_follow_up(error: GameballError, follows: FollowUp):
    assert follow_up(error) is follows


@pytest.mark.parametrize(
    ("error", "attempts", "jitter", "seconds"),
    [
        (GameballUnavailable(""), 1, 0.0, 0.5),
        (GameballUnavailable(""), 1, 0.5, 0.75),
        (GameballUnavailable(""), 3, 0.0, 2.0),
        (GameballUnavailable(""), 50, 0.0, 30.0),
        (GameballThrottled(""), 9, 0.0, 5.0),
        (GameballThrottled("", retry_after_s=12), 1, 0.0, 12.0),
        (GameballThrottled("", retry_after_s=12), 1, 1.0, 15.0),
    ],
)
def test_pause(error: GameballError, attempts: int, jitter: float, seconds: float):
    assert pause(error, attempts, jitter).total_seconds() == seconds
