"""What a local stack says of itself."""

from local.stack import Gameball, describe_start
from local.standin_client import STANDIN_KEYS


def test_start_says_that_the_stand_in_is_started():
    assert describe_start(None) == "starting MiniStack and the Gameball stand-in"


def test_start_with_another_gameball_names_it_and_starts_no_stand_in():
    said = describe_start(Gameball("https://api.gameball.co", STANDIN_KEYS))
    assert said == "starting MiniStack; adjustments go to https://api.gameball.co, not to the stand-in"
