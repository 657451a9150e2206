"""Options that all commands share, and the context that they make of them."""

import re
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, Final

import click

from cli.api_client import ApiClient
from cli.errors import UsageError
from cli.output import Output
from cli.stack import DEFAULT_STACK, Stack, StackSelection

EXAMPLE_ID: Final = "20261122-101500-spring-0f3c9a1b2d4e"
"""A batch id for help texts."""

BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class CommandContext:
    """The stack, its API and the output of one command; the stack is looked up when first used."""

    def __init__(self, selection: StackSelection, is_json: bool) -> None:
        self._selection = selection
        self.output = Output(is_json)

    def hint(self, command: str) -> str:
        """A command line for the same stack, to be shown as the next step."""
        return f"adjust {command}{self._selection.as_options()}"

    @cached_property
    def stack(self) -> Stack:
        """The stack."""
        return Stack.at(self._selection)

    @cached_property
    def api(self) -> ApiClient:
        """Its API."""
        return ApiClient(self.stack)


def with_context(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command, and pass it a context as its first argument."""

    @click.option(
        "--stack",
        envvar="ADJUST_STACK",
        help=f"Name of the CloudFormation stack [env: ADJUST_STACK; default: {DEFAULT_STACK}].",
    )
    @click.option("--profile", help="Profile in your AWS configuration.")
    @click.option("--region", help="AWS region [default: that of the profile].")
    @click.option(
        "--local", "is_local", is_flag=True, help="Use the stack that `make up` started on this machine."
    )
    @click.option("--json", "is_json", is_flag=True, help="Print JSON.")
    @wraps(command)
    def run_with_context(
        *arguments: Any,
        stack: str | None,
        profile: str | None,
        region: str | None,
        is_local: bool,
        is_json: bool,
        **options: Any,
    ) -> Any:
        return command(
            CommandContext(StackSelection(stack, profile, region, is_local), is_json), *arguments, **options
        )

    return run_with_context


def examples(*lines: str) -> str:
    """Format the examples at the end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def confirm(context: CommandContext, question: str, is_sure: bool) -> None:
    """Ask for confirmation unless --yes was given; a script has to give it."""
    if is_sure:
        return
    if context.output.is_json or not click.get_text_stream("stdin").isatty():
        raise UsageError("Confirmation required; rerun with --yes")
    click.confirm(question, abort=True, err=True)


def validate_batch_id(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Return a batch id; refuse what can't be one, such as an empty variable or a path."""
    if not BATCH_ID.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not a batch id; `adjust list` shows them")
    return text


batch_argument = click.argument("batch", metavar="BATCH", callback=validate_batch_id)
"""The batch that a command is about."""
