"""`python -m local.standin`: the stand-in as a process of its own."""

import argparse
import signal
import sys
import threading
from decimal import Decimal, InvalidOperation
from pathlib import Path

from local.standin.exact_json import BadJsonError
from local.standin.responses import RefusedError
from local.standin.server import StandIn
from local.standin.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Listen until SIGINT or SIGTERM."""
    options = _options(arguments)
    try:
        standin = _standin(options)
    except (RefusedError, BadJsonError, OSError) as error:
        print(f"standin: {_reason(error)}", file=sys.stderr)
        return 2
    _serve_until_signal(standin)
    return 0


def _serve_until_signal(standin: StandIn) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with standin:
        print(f"standin listening on {standin.base_url}", flush=True)
        stopped.wait()


def _standin(options: argparse.Namespace) -> StandIn:
    standin = StandIn(
        options.port,
        job_delay_s=options.job_delay_s,
        limits=options.limits,
        dialect=options.dialect,
        api_key=options.api_key,
        secret_key=options.secret_key,
    )
    if options.customers_file is not None:
        standin.open_customers_from(options.customers_file.read_bytes())
    return standin


def _reason(error: Exception) -> str:
    return error.answer.body.decode() if isinstance(error, RefusedError) else str(error)


def _seconds(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds") from error


def _options(arguments: list[str] | None) -> argparse.Namespace:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m local.standin", description="The Gameball stand-in.")
    parser.add_argument("--port", type=int, default=0, help="port; 0, the default, chooses a free one")
    parser.add_argument("--customers-file", type=Path, help="JSON as for POST /_standin/customers")
    parser.add_argument(
        "--job-delay-s", type=_seconds, default=Decimal(2), help="duration of a job in seconds"
    )
    parser.add_argument("--limits", choices=("on", "off"), default="on", help="rate limits")
    parser.add_argument("--dialect", choices=("guide", "openapi", "both"), default=defaults.dialect)
    parser.add_argument("--api-key", default=defaults.api_key)
    parser.add_argument("--secret-key", default=defaults.secret_key)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
