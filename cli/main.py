"""Entry point of `adjust`: the help of the command, and errors turned into a message and an exit code."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from adjustments.core import __version__
from adjustments.core.printable import visible
from cli import (
    console_command,
    customer_command,
    decision_commands,
    doctor_command,
    query_commands,
    submission_commands,
    transaction_command,
)
from cli.errors import CliError, Exit, aws_message
from cli.output import lines

_ABOUT = """Adjust customers' point balances at Gameball, in batches or one at a time.

The command reads the outputs of the deployed CloudFormation stack and uses your AWS credentials.
With --local it uses the stack that `make up` started on this machine; AWS_ENDPOINT_URL works, too.
"""
_CODES = """\b
Exit codes:
  0    success; with --wait or watch: every row was applied, or would be (dry run)
  1    with --wait or watch: the batch ended otherwise or waits for approval;
       in a dry run: rows were rejected, would fail or could not be predicted;
       of doctor: there is a problem
  2    usage error
  3    refused by the API: unknown batch, wrong state or invalid value
  4    AWS, the network or the API failed
  130  interrupted by Ctrl-C; the batch continues

\b
Examples:
  adjust submit spring.csv --dry-run --wait
  adjust list --status needs_attention
  adjust results 20261122-101500-spring-0f3c9a1b2d4e --to spring
  adjust submit spring.csv --stack gameball-adjustments-prod --profile ops
"""
_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _InOrder(click.Group):
    """Lists the commands in the order of a batch's life, not of the alphabet."""

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of the commands."""
        return list(self.commands)


@click.group(cls=_InOrder, help=_ABOUT, epilog=_CODES, context_settings=_SETTINGS)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
def adjust() -> None:
    """Adjust balances."""


# In the order of a batch's life, as the help lists them.
COMMANDS: Final = (
    submission_commands.submit,
    submission_commands.watch,
    query_commands.list_batches,
    query_commands.show,
    query_commands.results,
    decision_commands.approve,
    decision_commands.stop,
    decision_commands.resolve,
    decision_commands.reverse,
    transaction_command.transact,
    customer_command.customer,
    doctor_command.doctor,
    console_command.console,
)
for command in COMMANDS:
    adjust.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        return int(adjust.main(arguments, prog_name="adjust", standalone_mode=False) or Exit.OK)
    except click.ClickException as error:
        told = io.StringIO()
        error.show(told)  # usage and message; they may name a file
        click.echo(lines(told.getvalue().rstrip("\n")).plain, err=True)
        return Exit.USAGE_ERROR
    except click.exceptions.Abort:
        return _fail("aborted", Exit.DETACHED)
    except CliError as error:
        return _fail(str(error), error.code)
    except (ClientError, BotoCoreError) as error:
        return _fail(aws_message(error), Exit.SERVICE_ERROR)
    except BrokenPipeError:
        # The reader of the pipe has closed it; without this, Python reports an error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}", Exit.SERVICE_ERROR)


def _fail(message: str, code: Exit) -> int:
    click.echo(f"adjust: {visible(message)}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
