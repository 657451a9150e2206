"""`make configure`: asks what matters before the first deployment, and writes it to samconfig.toml."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import tomlkit
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

from local import environment
from local.deployment import read_parameters, read_remote, read_settings, with_runbook_url

REGION: Final = "region"
"""The one answer that is no parameter of the template."""


NOBODY: Final = "-"
"""How to answer with nothing, where Enter takes an earlier answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what it is about, and why the answer matters."""

    name: str
    why: str


QUESTIONS: Final = (
    Question(REGION, "AWS region of the stack. Files and results stay in it."),
    Question(
        "AlertEmail",
        "Who gets a mail when a batch ends, waits for approval or needs attention. AWS asks this address to "
        "confirm. A mailing list is best. Alarms go there, too, unless OnCallEmail is set. "
        "Enter - for none; then nobody is notified that a batch waits.",
    ),
    Question(
        "ApprovalAboveRows",
        "A batch with more rows, alone or with the unapproved ones of 24 hours, waits until an operator "
        "approves it; uploaders can't. 0 turns this off.",
    ),
    Question(
        "ApprovalAboveTotal",
        "A batch whose amounts, without signs, add up to more, alone or with the unapproved ones of 24 "
        "hours, waits for approval. 0 turns this off.",
    ),
    Question(
        "MaxAbsoluteAmount",
        "A row with a larger amount, added or deducted, is rejected. 0 turns this off.",
    ),
    Question(
        "ReasonToken",
        "true adds a short code to each row's reason. With it, a row whose answer was lost can be proven "
        "applied or not; customers may see it.",
    ),
)

Ask = Callable[[Question, str], str]


def ask_at_terminal(question: Question, default: str) -> str:
    """Explain a question and ask it until the answer is possible."""
    click.echo(f"\n{click.style(question.name, bold=True)}: {question.why}")
    while True:
        answer = str(click.prompt("", default=default, prompt_suffix="> ")).strip()
        answer = "" if answer == NOBODY else answer
        problem = find_problem(question.name, answer)
        if problem is None:
            return answer
        click.echo(problem)


def find_problem(name: str, answer: str) -> str | None:
    """Say what is wrong with an answer, by the constraints of the template; None where nothing is."""
    if name == REGION:
        fits = re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", answer)
        return None if fits else "a region looks like eu-central-1"
    declared = _declared(name)
    if "AllowedValues" in declared and answer not in declared["AllowedValues"]:
        return f"one of {', '.join(declared['AllowedValues'])}"
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], answer):
        return "this is not an e-mail address"
    if "MinValue" in declared and not re.fullmatch(r"\d+", answer):
        return "a whole number, 0 or more, without separators"
    return None


def _declared(name: str) -> dict[str, Any]:
    declared: dict[str, Any] = yaml_parse(environment.TEMPLATE.read_text())["Parameters"][name]
    return declared


def configure(config: Path, config_env: str, ask: Ask) -> None:
    """Ask each question, and write the answers to an environment of samconfig.toml.

    Everything else in the file stays as it is, comments too. An answer that was given before is the default.
    """
    settings = read_settings(config, config_env)
    known = {REGION: str(settings.get(REGION, "eu-central-1")), **read_parameters(settings)}
    answers = {
        question.name: ask(question, known.get(question.name) or _default(question.name))
        for question in QUESTIONS
    }
    document = tomlkit.parse(config.read_text())
    table: Any = document[config_env]["deploy"]["parameters"]
    table[REGION] = answers.pop(REGION)
    together = read_parameters(settings) | answers
    pairs = tomlkit.array().multiline(True)
    pairs.extend(f"{name}={value}" for name, value in together.items())
    table["parameter_overrides"] = pairs
    config.write_text(tomlkit.dumps(document))


def _show_alarm_address(parameters: Mapping[str, str]) -> str:
    on_call = parameters.get("OnCallEmail") or parameters.get("AlertEmail")
    return on_call or "nobody (set OnCallEmail in samconfig.toml)"


def _show_runbook(parameters: Mapping[str, str]) -> str:
    return (
        parameters.get("RunbookUrl") or "docs/runbook.md (set RunbookUrl to an address that people can open)"
    )


def _default(name: str) -> str:
    return "" if name == REGION else str(_declared(name)["Default"])


@click.command()
@click.argument("config_env", metavar="ENVIRONMENT")
def main(config_env: str) -> None:
    """Ask what matters before the first deployment."""
    click.echo(f"Six questions about {config_env}; Enter takes the answer in brackets.")
    configure(environment.SAM_CONFIG, config_env, ask_at_terminal)
    parameters = with_runbook_url(
        read_parameters(read_settings(environment.SAM_CONFIG, config_env)), read_remote()
    )
    click.echo(f"\nWritten to samconfig.toml. Next: make deploy ENV={config_env}")
    click.echo(f"Alarms go to {_show_alarm_address(parameters)} and link to {_show_runbook(parameters)}.")
    click.echo("All other parameters have safe defaults: docs/deployment.md.")


def run(arguments: Sequence[str]) -> None:
    """Run the command line."""
    main(list(arguments), prog_name="make configure")


if __name__ == "__main__":
    run(sys.argv[1:])
