"""Before the first deployment six questions are asked, with safe answers, and nothing else is changed."""

import tomllib
from pathlib import Path

import pytest

from local import environment
from local.configure import QUESTIONS, REGION, Question, configure, find_problem
from local.deployment import read_parameters, read_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    copy = tmp_path / "samconfig.toml"
    copy.write_text(environment.SAM_CONFIG.read_text())
    return copy


class Answers:
    """A person who answers some questions, and presses Enter for the others."""

    def __init__(self, **given: str) -> None:
        self.given = given
        self.shown: dict[str, str] = {}

    def __call__(self, question: Question, default: str) -> str:
        self.shown[question.name] = default
        return self.given.get(question.name, default)


def test_six_questions_are_asked_with_safe_answers(config: Path):
    answers = Answers()
    configure(config, "prod", answers)
    assert answers.shown == {
        "region": "eu-central-1",
        "AlertEmail": "",
        "ApprovalAboveRows": "1000",
        "ApprovalAboveTotal": "100000",
        "MaxAbsoluteAmount": "1000000",
        "ReasonToken": "false",
    }
    assert len(QUESTIONS) == 6


def test_answers_are_written_beside_what_was_there(config: Path):
    configure(config, "prod", Answers(region="us-east-1", AlertEmail="ops@example.com"))
    settings = read_settings(config, "prod")
    parameters = read_parameters(settings)
    assert settings[REGION] == "us-east-1"
    assert (parameters["AlertEmail"], parameters["ApprovalAboveRows"]) == ("ops@example.com", "1000")
    assert (parameters["Stage"], parameters["GradualDeployment"]) == ("prod", "true")
    before, after = tomllib.loads(environment.SAM_CONFIG.read_text()), tomllib.loads(config.read_text())
    assert {name: value for name, value in before.items() if name != "prod"} == {
        name: value for name, value in after.items() if name != "prod"
    }
    comments = [line for line in environment.SAM_CONFIG.read_text().splitlines() if line.startswith("#")]
    assert [line for line in config.read_text().splitlines() if line.startswith("#")] == comments


def test_earlier_answers_are_the_defaults_of_the_next_time(config: Path):
    configure(config, "dev", Answers(ApprovalAboveRows="50", AlertEmail="ops@example.com"))
    again = Answers()
    configure(config, "dev", again)
    assert (again.shown["ApprovalAboveRows"], again.shown["AlertEmail"]) == ("50", "ops@example.com")
    assert read_parameters(read_settings(config, "dev"))["ApprovalAboveRows"] == "50"


@pytest.mark.parametrize(
    ("name", "answer", "fits"),
    [
        ("region", "eu-central-1", True),
        ("region", "us-gov-west-1", True),
        ("region", "Frankfurt", False),
        ("AlertEmail", "", True),
        ("AlertEmail", "ops@example.com", True),
        ("AlertEmail", "ops", False),
        ("ApprovalAboveRows", "0", True),
        ("ApprovalAboveRows", "1,000", False),
        ("ApprovalAboveTotal", "-1", False),
        ("ReasonToken", "true", True),
        ("ReasonToken", "yes", False),
    ],
)
def test_answer_is_checked_by_the_constraints_of_the_template(name: str, answer: str, fits: bool):
    assert (find_problem(name, answer) is None) == fits
