"""What every command has in common: which stack, and how to answer."""

import re
from collections.abc import Callable
from functools import cached_property, wraps
from typing import Any, Final

import click

from cli.api_client import ApiClient
from cli.batch_watcher import BatchWatcher
from cli.errors import UsageError
from cli.output import Output
from cli.stack import DEFAULT_STACK, Stack, StackSelection

EXAMPLE_ID: Final = "20261122-101500-spring-0f3c9a1b2d4e"
"""A batch id for help texts."""

_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class CommandContext:
    """What a command works with; nothing is looked up before it is needed."""

    def __init__(self, where: StackSelection, is_json: bool) -> None:
        self._where = where
        self.output = Output(is_json)

    def hint(self, command: str) -> str:
        """A command to type next, for the same stack as this one."""
        return f"adjust {command}{self._where.as_options()}"

    @cached_property
    def stack(self) -> Stack:
        """The stack."""
        return Stack.at(self._where)

    @cached_property
    def api(self) -> ApiClient:
        """Its API."""
        return ApiClient(self.stack)

    @cached_property
    def watcher(self) -> BatchWatcher:
        """Follows batches."""
        return BatchWatcher(self.api, self.output)


def with_context(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the common options, and a context as its first argument."""

    @click.option(
        "--stack", envvar="ADJUST_STACK", help=f"CloudFormation stack [env ADJUST_STACK; {DEFAULT_STACK}]."
    )
    @click.option("--profile", help="Profile of your AWS configuration.")
    @click.option("--region", help="AWS region, if not your profile's.")
    @click.option("--local", "is_local", is_flag=True, help="The stack that `make up` has started here.")
    @click.option("--json", "is_json", is_flag=True, help="Answer in JSON, for machines.")
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
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def confirm(context: CommandContext, question: str, is_sure: bool) -> None:
    """Ask whether to go on, unless --yes was given; in a script it has to be."""
    if is_sure:
        return
    if context.output.is_json or not click.get_text_stream("stdin").isatty():
        raise UsageError("this needs a yes, and nobody can be asked here: look at it first, then give --yes")
    click.confirm(question, abort=True, err=True)


def validate_batch_id(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Take a batch's id, refusing at once what can't be one: an empty variable, or a path."""
    if not _BATCH_ID.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no batch id; `adjust list` shows them")
    return text


batch_argument = click.argument("batch", metavar="BATCH", callback=validate_batch_id)
"""The batch that a command is about."""
