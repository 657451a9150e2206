"""The command that opens the console, a page on this machine."""

import click

from cli.context import CommandContext, examples, with_context
from cli.errors import Exit, UsageError

_PORT_MAX = 65_535


@click.command(
    short_help="Open a page for all of this in a browser.",
    epilog=examples("adjust console", "adjust console --stack gameball-adjustments-prod --port 8765"),
)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, _PORT_MAX),
    help="Port on this machine [default: any free one].",
)
@click.option(
    "--open",
    "opens",
    is_flag=True,
    help="Open it in your browser; other users of this machine may see the address while it starts.",
)
@with_context
def console(context: CommandContext, port: int, opens: bool) -> int:
    """Serve a page on which batches are listed, submitted, approved, stopped, resolved and reversed.

    It prints the page's address. Only this machine can reach the page, only a browser that has the whole
    address may use it, and it works with your AWS credentials. Ctrl-C ends it; batches continue.
    """
    try:
        from cli.console.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the console needs the package {error.name}, which is not installed: "
            "pip install 'gameball-adjustments-cli[console]'"
        ) from None

    def show_address(address: str) -> None:
        if context.output.is_json:
            context.output.data({"address": address})
        else:
            context.output.say(f"console of {context.stack.name}: {address}")
            context.output.say("open this address in a browser; Ctrl-C ends the console")
        click.get_text_stream("stdout").flush()
        if opens:
            click.launch(address)

    serve(context.stack, port, show_address)
    context.output.warn("the console has ended; batches continue")
    return Exit.OK
