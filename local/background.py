"""`make up` and `make down`: a local stack that stays up until it is told to stop."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from local import places
from local.aws import ACCESS_KEY, SECRET_KEY
from local.emulator import REGION
from local.gameball import STANDIN_KEYS, Keys
from local.stack import Gameball, LocalStack, StackSettings
from local.waiting import wait_for

STATE_FILE = places.STATE / "stack.json"
LOG = places.STATE / "up.log"
# Held for as long as the stack is up: a process number alone may be another process's by now.
_LOCK = places.STATE / "up.lock"
_UP_WITHIN_S = 600.0
_DOWN_WITHIN_S = 30.0
_LOCK_WITHIN_S = 5.0


def main(arguments: list[str]) -> int:
    """Do `up`, `down`, or `serve`, which is the process behind `up`."""
    commands = {"up": up, "down": down, "serve": serve}
    if len(arguments) != 1 or arguments[0] not in commands:
        print("usage: python -m local.background up | down", file=sys.stderr)
        return 2
    places.STATE.mkdir(exist_ok=True)
    return commands[arguments[0]]()


def up() -> int:
    """Start a stack in the background, and say where it is."""
    if _is_up():
        print("The local stack is up already.")
        _show(wait_for(_state, _UP_WITHIN_S, "the stack to come up"))
        return 0
    STATE_FILE.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "local.background", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=places.ROOT,
        )
    try:
        with LOG.open() as printed:
            wait_for(lambda: _has_come_up(server, printed), _UP_WITHIN_S, "the stack to come up")
    except BaseException:
        server.terminate()
        raise
    if server.poll() is not None:
        print(f"The local stack did not come up; see {LOG.relative_to(places.ROOT)}.", file=sys.stderr)
        return 1
    _show(_state())
    return 0


def _has_come_up(server: "subprocess.Popen[bytes]", printed: IO[str]) -> bool:
    print(printed.read(), end="", flush=True)
    return STATE_FILE.exists() or server.poll() is not None


def down() -> int:
    """Stop the stack, and wait until nothing of it runs."""
    if not _is_up():
        print("No local stack is up.")
        return 0
    # It may be on its way up still; then its number is not written yet.
    os.kill(wait_for(_state, _UP_WITHIN_S, "the stack to come up")["pid"], signal.SIGTERM)
    wait_for(lambda: not _is_up(), _DOWN_WITHIN_S, "the stack to stop")
    print("The local stack is down.")
    return 0


def serve() -> int:
    """Be the stack until SIGTERM."""
    settings = StackSettings(
        gameball=_other_gameball(),
        standin_options=("--customers-file", str(places.SAMPLES / "gameball-customers.json")),
        announce=lambda step: print(f"{step} …", flush=True),
    )
    try:
        with _lock(), LocalStack.running(settings) as stack:
            _write_state(stack)
            threading.Event().wait()
    finally:
        STATE_FILE.unlink(missing_ok=True)
    return 0


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


def _write_state(stack: LocalStack) -> None:
    state = {
        "pid": os.getpid(),
        "endpoint": stack.aws.endpoint,
        "region": REGION,
        "caBundle": str(stack.aws.ca_bundle),
        "api": stack.aws.local_api_url(stack.outputs["ApiUrl"]),
        "gameball": stack.gameball.base_url,
        "isStandIn": stack.has_standin,
        "logs": str(stack.folder.relative_to(places.ROOT)),
        "outputs": dict(stack.outputs),
    }
    # Renamed into place, so that nobody reads half of it.
    draft = STATE_FILE.with_suffix(".draft")
    draft.write_text(json.dumps(state, indent=2) + "\n")
    draft.replace(STATE_FILE)


def _state() -> dict[str, Any]:
    """What is known of the stack that is up; empty when there is none, or not yet."""
    try:
        state: dict[str, Any] = json.loads(STATE_FILE.read_bytes())
    except FileNotFoundError:
        return {}
    return state


def _show(state: dict[str, Any]) -> None:
    for name, value in state.get("outputs", {}).items():
        print(f"  {name:16} {value}")
    print(f"  {'… on loopback':16} {state.get('api')}")
    print(f"  {'Gameball':16} {state.get('gameball')}")
    if state.get("isStandIn"):
        print(f"  {'its ledger':16} {state['gameball']}/_standin/audit")
    print(f"  {'logs':16} {state.get('logs')}/")
    print("The same for scripts: .local/stack.json. For the AWS CLI and boto3:")
    print(f"  export AWS_ENDPOINT_URL={state.get('endpoint')} AWS_DEFAULT_REGION={state.get('region')}")
    print(f"  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}")
    print(f"  export AWS_CA_BUNDLE={state.get('caBundle')}")
    print("make down stops it.")


@contextmanager
def _lock() -> Iterator[None]:
    """Be the one stack that is up. `up` may be looking whether there is one, so it tries for a moment."""
    with _LOCK.open("w") as lock:
        wait_for(lambda: _is_taken(lock), _LOCK_WITHIN_S, "another local stack to go down")
        yield


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_up() -> bool:
    with _LOCK.open("w") as lock:
        return not _is_taken(lock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
