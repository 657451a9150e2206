"""What a local stack says of itself."""

from datetime import UTC, datetime

from local.emulator_process import fill_keywords
from local.stack import Gameball, describe_start
from local.standin_client import STANDIN_KEYS


def test_start_says_that_the_stand_in_is_started():
    assert describe_start(None) == "starting MiniStack and the Gameball stand-in"


def test_start_with_another_gameball_names_it_and_starts_no_stand_in():
    said = describe_start(Gameball("https://api.gameball.co", STANDIN_KEYS))
    assert said == "starting MiniStack; adjustments go to https://api.gameball.co, not to the stand-in"


def test_keywords_of_a_schedule_are_filled_in_as_aws_does():
    text = '{"by": "<aws.scheduler.schedule-arn>", "dueTime": "<aws.scheduler.scheduled-time>"}'
    due_at = datetime(2022, 3, 22, 18, 59, 43, 500, tzinfo=UTC)
    assert fill_keywords(text, "arn:x", due_at) == '{"by": "arn:x", "dueTime": "2022-03-22T18:59:43Z"}'
