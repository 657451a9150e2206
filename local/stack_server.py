"""`python -m local.stack_server LOCK`: the process that `make up` starts, with the local stack in it."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from local import environment
from local.environment import REGION
from local.server import Files, RunningStack, serve
from local.stack import Gameball, LocalStack, StackSettings
from local.standin_client import STANDIN_KEYS, Keys


class _ServedStack:
    """A local stack, as the server reports it."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.ended_program = stack.ended_program

    def describe(self) -> Mapping[str, Any]:
        """Where everything is, for scripts and `adjust --local`."""
        stack = self._stack
        return {
            "endpoint": stack.aws.endpoint,
            "region": REGION,
            "caBundle": str(stack.aws.ca_bundle),
            "api": stack.aws.local_api_url(stack.outputs["ApiUrl"]),
            "gameball": stack.gameball.base_url,
            "isStandIn": stack.has_standin,
            "logs": str(stack.folder.relative_to(environment.ROOT)),
            "outputs": dict(stack.outputs),
        }


@contextmanager
def _running_stack() -> Iterator[RunningStack]:
    settings = StackSettings(
        gameball=_other_gameball(),
        standin_options=("--customers-file", str(environment.SAMPLES / "gameball-customers.json")),
        report_step=lambda step: print(f"{step} …", flush=True),
    )
    with LocalStack.running(settings) as stack:
        yield _ServedStack(stack)


def _other_gameball() -> Gameball | None:
    """The Gameball that the caller's environment names, if any."""
    base_url = os.environ.get("GAMEBALL_BASE_URL")
    if not base_url:
        return None
    return Gameball(
        base_url.rstrip("/"),
        Keys(
            os.environ.get("GAMEBALL_API_KEY", STANDIN_KEYS.api_key),
            os.environ.get("GAMEBALL_SECRET_KEY", STANDIN_KEYS.secret_key),
        ),
    )


if __name__ == "__main__":
    # The file descriptor of the lock, handed on by `make up`.
    sys.exit(serve(Files(environment.STATE), int(sys.argv[1]), _running_stack))
