"""Two runs never write into one folder, and a dead one locks nothing."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.metrics.recompute import analyse_again
from bench.simulated.turns import write_example_run
from bench.store.atomic import StoreError
from bench.store.lock import RunLock

ROOT = Path(__file__).parents[3]
HOLD = "import sys, pathlib; from bench.store.lock import RunLock\n" + (
    "with RunLock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_a_folder_that_is_locked_is_refused_with_the_holders_pid(tmp_path: Path) -> None:
    with RunLock(tmp_path), pytest.raises(StoreError, match=rf"pid {os.getpid()}"):
        RunLock(tmp_path).__enter__()


def test_a_lock_is_free_again_after_its_run(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLock(tmp_path / "new" / "folder") as lock:
            assert lock.path.read_text() == str(os.getpid())


def test_a_file_that_a_dead_run_left_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("999999")
    with RunLock(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_file_system_without_locks_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_here(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("bench.store.lock.fcntl.flock", none_here)
    with pytest.raises(StoreError, match=r"can't be locked \(No locks available\)"):
        RunLock(tmp_path).__enter__()


def test_a_killed_run_frees_its_folder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"another run writes here \(pid {holder.pid}\)"):
            RunLock(tmp_path).__enter__()
        holder.kill()
        holder.wait(10)
        with RunLock(tmp_path):
            pass


def test_a_folder_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        RunLock(tmp_path / "file").__enter__()


def test_a_full_disk_is_a_sentence_and_leaves_the_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bench.store.lock.os.write", full)
        with pytest.raises(StoreError, match="the disk is full; free some space"):
            RunLock(tmp_path).__enter__()
    with RunLock(tmp_path):
        pass


def test_metrics_are_not_computed_again_while_a_run_writes(tmp_path: Path) -> None:
    write_example_run(tmp_path, trials=1)
    with RunLock(tmp_path), pytest.raises(StoreError, match="another run writes here"):
        analyse_again(tmp_path)
    assert (tmp_path / "parts").is_dir()  # nothing was touched
    run, rows = analyse_again(tmp_path)
    assert (len(run.trials), len(rows) > 0) == (3, True)


def test_a_folder_that_holds_no_run_is_given_no_lock_file(tmp_path: Path) -> None:
    for folder, why in ((tmp_path, "no trials in it"), (tmp_path / "none", "no such folder")):
        with pytest.raises(StoreError, match=why):
            analyse_again(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_for_nothing_is_gone_again(tmp_path: Path) -> None:
    with RunLock(tmp_path / "new"):
        assert (tmp_path / "new" / ".lock").is_file()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    with RunLock(tmp_path / "old"):
        pass
    with RunLock(tmp_path / "used"):
        (tmp_path / "used" / "run.json").write_text("{}")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["old", "used"]
