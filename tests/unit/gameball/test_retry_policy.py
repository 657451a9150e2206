"""The retry policy as tables: what follows from which error."""

import pytest

from adjustments.core.errors import (
    GameballError,
    GameballRefused,
    GameballThrottled,
    GameballUnauthorized,
    GameballUnavailable,
    OutcomeUnknown,
)
from adjustments.gameball.retry_policy import FollowUp, back_off, follow_up, may_retry, proves_no_customer


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


def refused(code: int | None, status: int = 422) -> GameballRefused:
    return GameballRefused("no", status=status, code=code)


@pytest.mark.parametrize(
    ("error", "has_time", "retries"),
    [
        (GameballUnavailable("refused"), True, True),
        (GameballThrottled("429"), True, True),
        (OutcomeUnknown("read time-out"), True, True),
        (refused(9003), False, True),
        (refused(9003), True, False),
        (refused(9004), False, False),
        (refused(7000, 404), False, False),
        (refused(None, 400), False, False),
        (GameballUnauthorized("401"), False, False),
        (GameballError("nobody foresaw this"), False, False),
    ],
)
def test_may_retry(error: GameballError, has_time: bool, retries: bool):
    assert may_retry(error, has_time) is retries


@pytest.mark.parametrize(
    ("listing", "refusal", "proves"),
    [
        (refused(7000, 404), refused(None, 400), True),
        (refused(None, 404), refused(None, 404), True),
        (refused(None, 404), refused(7000, 422), False),
        (refused(None, 400), refused(None, 400), False),
        (GameballUnauthorized("401"), refused(7000, 404), False),
        (OutcomeUnknown("time-out"), refused(7000, 404), False),
    ],
)
def test_proves_no_customer(listing: GameballError, refusal: GameballRefused, proves: bool):
    assert proves_no_customer(listing, refusal) is proves


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
def test_back_off(error: GameballError, attempts: int, jitter: float, seconds: float):
    assert back_off(error, attempts, jitter).total_seconds() == seconds
