"""Command `doctor`: whether the stack is well, and what to do where it is not."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.text import Text

from adjustments.core import __version__
from cli.context import CommandContext, examples, with_context
from cli.errors import AccessDenied, CliError, Exit, aws_message
from cli.stack import Stack

OK: Final = "ok"
NOTE: Final = "note"
PROBLEM: Final = "problem"

CLOCK_OFF_MAX_S: Final = 60.0
"""AWS refuses signatures that are five minutes off; well before that the clock is worth setting."""

_STYLES: Final = {OK: "green", NOTE: "yellow", PROBLEM: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part, in the words of `GET /health`."""

    check: str
    status: str
    message: str
    advice: str = ""


@click.command(
    short_help="Check whether the stack is well, and say what to do.",
    epilog=examples("adjust doctor", "adjust doctor --stack gameball-adjustments-prod --json"),
)
@with_context
def doctor(context: CommandContext) -> int:
    """Check whether the stack is well: versions, clock, functions, keys, topics, schedules and queues.

    Each line says what was found and, after an arrow, what to do. Nothing is changed. The exit code is 0 only
    where there is no problem; a note is something to know.
    """
    findings = list(diagnose(context))
    problems = sum(finding.status == PROBLEM for finding in findings)
    if context.output.is_json:
        context.output.data({"isWell": not problems, "checks": [asdict(finding) for finding in findings]})
    else:
        _show(context, findings)
        verdict = Text("all is well", "green") if not problems else Text(_problems_text(problems), "red")
        context.output.say(verdict)
    return Exit.NEEDS_REVIEW if problems else Exit.OK


def diagnose(context: CommandContext) -> Iterator[Finding]:
    """Find out what can be found from here, then what the stack says of itself."""
    try:
        stack = context.stack
        status, deployed = stack.status, stack.outputs.get("Version", "")
        address = stack.api_url
    except (CliError, ClientError, BotoCoreError) as error:
        words = str(error) if isinstance(error, CliError) else aws_message(error)
        yield Finding("stack", PROBLEM, words, "check --stack, --region, --profile and credentials")
        return
    yield _of_stack(stack, status)
    yield _of_version(deployed)
    yield _of_clock(context, address)
    yield from _of_itself(context)


def _of_stack(stack: Stack, status: str) -> Finding:
    message = f"{stack.name} in {stack.region}: {status}"
    if status.endswith("_IN_PROGRESS"):
        return Finding("stack", NOTE, message, "it is being changed: check again when that is over")
    if "ROLLBACK" in status or "FAILED" in status:
        advice = "the last deployment failed: see its events in CloudFormation, and deploy again"
        return Finding("stack", PROBLEM, message, advice)
    return Finding("stack", OK, message)


def _of_version(deployed: str) -> Finding:
    message = f"deployed {deployed or 'before 1.0.0'}, this command {__version__}"
    if deployed == __version__:
        return Finding("version", OK, message)
    return Finding("version", PROBLEM, message, "deploy this version, or use the command of the deployed one")


def _of_clock(context: CommandContext, address: str) -> Finding:
    """Compare this machine's clock with AWS's, which every answer tells, also to an unsigned call."""
    try:
        server_time = context.api.server_time(address)
    except CliError as error:
        return Finding("clock", PROBLEM, f"not known: {error}", "check the network between here and AWS")
    if not server_time:
        return Finding(
            "clock", NOTE, "not known: the API's answer has no time", "compare the clocks yourself"
        )
    off_s = (datetime.now(UTC) - parsedate_to_datetime(server_time)).total_seconds()
    message = f"{abs(off_s):.0f} s {'ahead of' if off_s > 0 else 'behind'} AWS"
    if abs(off_s) > CLOCK_OFF_MAX_S:
        return Finding("clock", PROBLEM, message, "set this machine's clock: AWS refuses calls 5 minutes off")
    return Finding("clock", OK, message)


def _of_itself(context: CommandContext) -> Iterator[Finding]:
    """What the stack's own health check finds."""
    try:
        answer = context.api.get("/health")
    except AccessDenied as error:
        advice = "use the operator's or the read-only policy, which allow it"
        yield Finding("functions", PROBLEM, str(error), advice)
    except CliError as error:
        advice = "function BatchApi does not answer: look at its log group, or deploy again"
        yield Finding("functions", PROBLEM, str(error), advice)
    else:
        for found in answer.get("checks", []):
            fields = {name: str(found.get(name, "")) for name in ("check", "status", "message", "advice")}
            yield Finding(**fields)


def _show(context: CommandContext, findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = Text(f"{finding.status:8}", _STYLES.get(finding.status, ""))
        context.output.say(mark, f"{finding.check:{width}}  {finding.message}")
        if finding.advice:
            context.output.say(f"{'':8}{'':{width}}  → {finding.advice}")


def _problems_text(problems: int) -> str:
    return f"{problems} problem" if problems == 1 else f"{problems} problems"
