"""Fetching, against a hub in memory over real HTTP."""

import hashlib

import pytest

from pipelines.models.fetch import fetch
from pipelines.models.find import resolve
from pipelines.models.hub_double import COMMIT
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import read_lock
from tests.pipelines.models.conftest import BIG, SMALL


def test_a_model_is_fetched_whole_and_what_came_is_written_down(hub, home, manifest):
    model = manifest()
    assert fetch(model) is True
    folder = home / "tiny@f16"
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.bin"]
    assert (folder / "model.bin").read_bytes() == BIG
    lock = read_lock("tiny@f16")
    assert lock.revision == COMMIT
    assert lock.files["model.bin"].sha256 == hashlib.sha256(BIG).hexdigest()
    assert lock.files["model.bin"].checked_by == "hub sha256"
    assert lock.files["config.json"].bytes == len(SMALL)
    assert lock.files["config.json"].checked_by == "hub git"
    asked = len(hub.asked)
    assert fetch(model) is False
    assert len(hub.asked) == asked
