"""Temporary folders of killed runs are swept by the next; those of living ones are not."""

import os
import subprocess
import sys
import time

import pytest

from pipelines.process.scratch import LOCK, Scratch, sweep

OWNER = """
from pipelines.process.scratch import Scratch
held = Scratch("x-")
print(held.path, flush=True)
input()
"""
OLD = time.time() - 3600


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def owner(place):
    """A process that holds a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_folder_goes_with_its_owner_and_is_swept_if_that_was_killed(place):
    with owner(place) as living, owner(place) as dead:
        paths = [process.stdout.readline().strip() for process in (living, dead)]
        dead.kill()
        dead.wait()
        assert sweep(place) == []  # both are young
        for path in paths:
            os.utime(path, (OLD, OLD))
        assert [str(path) for path in sweep(place)] == [paths[1]]
        assert [str(path) for path in place.iterdir()] == [paths[0]]
        living.stdin.close()


def test_a_scratch_folder_is_gone_after_its_block(place):
    with Scratch("run-") as folder:
        (folder / "file").write_text("x", encoding="utf-8")
        assert folder.name.startswith("dlab-run-")
    assert list(place.iterdir()) == []


def test_what_is_not_ours_to_remove_stays(place):
    for name in ("dlab-without-lock", "other"):
        (place / name).mkdir()
    (place / "other" / LOCK).touch()
    (place / "dlab-file").touch()
    (place / "dlab-link").symlink_to(place / "other")
    for path in place.iterdir():
        os.utime(path, (OLD, OLD))
    assert sweep(place) == []
    os.utime(place / "dlab-without-lock", (0, 0))
    assert [path.name for path in sweep(place)] == ["dlab-without-lock"]
    assert (place / "other" / LOCK).exists()
