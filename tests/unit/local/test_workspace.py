"""The folder of a stack is there for as long as its owner, and no longer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import environment
from local.workspace import create_workspace, is_locked, remove_abandoned


def folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()]


def test_workspace_is_removed_with_what_is_in_it(tmp_path: Path) -> None:
    lines: list[str] = []
    with create_workspace(tmp_path, lines.append) as folder:
        (folder / "tmp" / "worker" / "code").mkdir(parents=True)
        (folder / "program.log").write_text("started")
    assert folders(tmp_path) == []
    assert lines == ["removing temporary files: 1 folders"]


def test_workspace_is_removed_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), create_workspace(tmp_path):
        raise RuntimeError
    assert folders(tmp_path) == []


def test_workspace_whose_owner_lives_is_not_abandoned(tmp_path: Path) -> None:
    with create_workspace(tmp_path) as folder:
        assert not remove_abandoned(tmp_path)
        assert folder.is_dir()


def test_workspace_of_a_killed_owner_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from local.workspace import create_workspace\n"
        f"with create_workspace(Path({str(tmp_path)!r})): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=environment.ROOT, check=False)
    [left] = folders(tmp_path)
    with create_workspace(tmp_path) as folder:
        assert folders(tmp_path) == [folder]
        assert folder != left


def test_removal_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    (tmp_path / "removing-stack-x" / "tmp").mkdir(parents=True)
    assert remove_abandoned(tmp_path)
    assert folders(tmp_path) == []


def test_lock_that_nobody_holds_is_free(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "none.lock")
    (tmp_path / "free.lock").touch()
    assert not is_locked(tmp_path / "free.lock")


def test_record_of_a_process_that_never_was_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "stack-x"
    left.mkdir()
    (left / "program.pid").write_text(f"{os.getpid()} another-time")
    assert remove_abandoned(tmp_path)
    assert folders(tmp_path) == []
