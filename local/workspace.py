"""Folders of running stacks: each is locked by its owner, and removed with all that runs in it."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from local.processes import kill_recorded_group

_STACKS = "stack-"
_TRASH = "removing-"
_LOCK_NAME = "owner.lock"
_REMOVE_TRIES_MAX = 20
_REMOVE_PAUSE_S = 0.1


def ignore_progress(step: str) -> None:
    """Ignore a line about progress."""


@contextmanager
def create_workspace(parent: Path, report: Callable[[str], None] = ignore_progress) -> Iterator[Path]:
    """Make a folder for one stack; it is removed when the block ends.

    Folders whose owner was killed are removed first, with the programs that they left running.

    Args:
        parent: folder that holds all of them.
        report: called with a line about what takes time.
    """
    remove_abandoned(parent, report)
    with contextlib.ExitStack() as cleanup:
        with exclusive(parent / "workspaces.lock"):
            folder = Path(tempfile.mkdtemp(prefix=_STACKS, dir=parent))
            lock = cleanup.enter_context((folder / _LOCK_NAME).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            cleanup.callback(_remove, folder, report)  # runs first: the folder stays locked meanwhile
        yield folder


def remove_abandoned(parent: Path, report: Callable[[str], None] = ignore_progress) -> bool:
    """Remove folders whose owner was killed, and the programs that they left running.

    Args:
        parent: folder that holds all of them.
        report: called with a line about what takes time.

    Returns:
        Whether there was anything to remove.
    """
    with exclusive(parent / "workspaces.lock"):
        for folder in parent.glob(f"{_STACKS}*"):
            if not is_locked(folder / _LOCK_NAME):
                folder.rename(folder.with_name(_TRASH + folder.name))
    left = list(parent.glob(f"{_TRASH}*"))
    for folder in left:
        _remove(folder, report)
    return bool(left)


def _remove(folder: Path, report: Callable[[str], None]) -> None:
    for pid_file in folder.glob("*.pid"):
        kill_recorded_group(pid_file)
    work = [path for path in folder.glob("tmp/*") if path.is_dir()]
    if work:
        report(f"removing temporary files: {len(work)} folders")
    for part in work:
        shutil.rmtree(part, ignore_errors=True)
    for _ in range(_REMOVE_TRIES_MAX):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVE_PAUSE_S)
    shutil.rmtree(folder)


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[IO[str]]:
    """Hold a lock file for as long as the block lasts, waiting for its other holders.

    Args:
        path: the file; it stays when it is no longer held.
        on_wait: called once where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def is_locked(path: Path) -> bool:
    """Whether some process holds a lock file; the kernel lets go of it when its last holder dies."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
