"""Engine environments: built whole or not at all, and refused in one sentence."""

import dataclasses
import platform
import shutil
import sys
import threading
from collections import namedtuple

import pytest

from pipelines.errors import LabError
from pipelines.process import environment
from pipelines.process.environment import Environment


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """An environment with no packages, which builds within a second and without a network."""
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(environment, "_LOCKS", tmp_path)
    (tmp_path / "nothing.lock").write_text("")
    machines = (f"{platform.system()} {platform.machine()}",)
    row = Environment("nothing", "no engine", ("json",), 0.1, "0.1 GB", machines=machines)
    monkeypatch.setitem(environment.ENVIRONMENTS, "nothing", row)
    return row


def replace(monkeypatch, row, **fields):
    monkeypatch.setitem(environment.ENVIRONMENTS, row.name, dataclasses.replace(row, **fields))


def test_it_is_built_once_and_reported(nothing):
    told: list[str] = []
    python = environment.ensure("nothing", told.append)
    assert python == str(nothing.python) == environment.find("nothing")
    assert nothing.python.exists()
    assert "building" in told[0] and "built in" in told[-1]
    told.clear()
    assert environment.ensure("nothing", told.append) == python
    assert told == []


def test_a_killed_build_is_started_over(nothing):
    left_over = nothing.folder.with_name(f".{nothing.folder.name}.building")
    (left_over / "bin").mkdir(parents=True)
    (left_over / "bin" / "python").write_text("half")
    assert environment.find("nothing") is None
    environment.ensure("nothing")
    assert not left_over.exists()


def test_one_whose_python_was_removed_is_built_again(nothing):
    python = environment.ensure("nothing")
    nothing.python.unlink()
    nothing.python.symlink_to("/no/such/python")
    assert environment.find("nothing") is None
    assert environment.ensure("nothing") == python
    assert nothing.python.exists()


def test_one_that_lost_a_package_is_built_again_when_that_is_asked_for(nothing, monkeypatch):
    python = environment.ensure("nothing")
    nothing.python.unlink()
    nothing.python.symlink_to(shutil.which("false"))
    told: list[str] = []
    assert environment.ensure("nothing", told.append) == python and told == []
    assert environment.ensure("nothing", told.append, verify=True) == python
    assert "must import json. It is built again." in told[0] and "built in" in told[-1]
    told.clear()
    assert environment.ensure("nothing", told.append, verify=True) == python and told == []


def test_a_folder_that_can_not_be_replaced_is_one_sentence(nothing, monkeypatch):
    nothing.folder.parent.mkdir(parents=True)
    nothing.folder.write_text("a file in its place")
    with pytest.raises(LabError, match=r"nothing can't be built \(.*Not a directory"):
        environment.ensure("nothing")


def test_a_changed_lock_is_another_environment(nothing, tmp_path):
    before = nothing.folder
    (tmp_path / "nothing.lock").write_text("# changed\n")
    assert nothing.folder != before


def test_two_builders_build_once(nothing):
    told: list[str] = []
    threads = [
        threading.Thread(target=environment.ensure, args=("nothing", told.append)) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("built in" in words for words in told) == 1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LabError, match=r"moshi-mlx, moshi-torch, whisper, llama, .*piper"):
        environment.ensure("moshi-jax")


def test_a_package_that_cannot_be_had_is_one_sentence_and_leaves_nothing(nothing, tmp_path):
    nothing.lock.write_text("lost @ file:///nowhere/lost-1.0-py3-none-any.whl\n")
    with pytest.raises(LabError, match=r"nothing can't be built \(.*lost.*DUPLEX_LAB_NOTHING_PY"):
        environment.ensure("nothing")
    assert not list((tmp_path / "cache" / "environments").glob("*nothing*/"))


def test_what_was_built_must_import_the_engine(nothing, monkeypatch):
    replace(monkeypatch, nothing, imports=("json", "no_such_engine"))
    with pytest.raises(LabError, match="No module named 'no_such_engine'"):
        environment.ensure("nothing")
    assert environment.find("nothing") is None


def test_the_wrong_machine_is_refused_with_the_right_ones(nothing, monkeypatch):
    replace(monkeypatch, nothing, machines=("Plan9 mips",))
    with pytest.raises(LabError, match="made for Plan9 mips"):
        environment.ensure("nothing")


def test_no_uv_is_refused_with_how_to_get_it(nothing, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(LabError, match="make setup"):
        environment.ensure("nothing")


def test_a_full_disk_is_reported_before_anything_is_written(nothing, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(9e9, 9e9, 1e6))
    with pytest.raises(LabError, match=r"needs 0.1 GB of disk .* has 0.0 GB free"):
        environment.ensure("nothing")
    assert not nothing.folder.exists()


def test_a_cache_that_cannot_be_written_is_one_sentence(nothing, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(LabError, match="DUPLEX_LAB_CACHE"):
        environment.ensure("nothing")


def test_the_users_own_python_is_taken_if_it_has_the_engine(nothing, monkeypatch):
    monkeypatch.setenv("DUPLEX_LAB_NOTHING_PYTHON", sys.executable)
    assert environment.ensure("nothing") == sys.executable
    assert not nothing.folder.exists()
    replace(monkeypatch, nothing, imports=("no_such_engine",))
    with pytest.raises(LabError, match=r"DUPLEX_LAB_NOTHING_PYTHON\) is not a Python for"):
        environment.ensure("nothing")
    monkeypatch.setenv("DUPLEX_LAB_NOTHING_PYTHON", "/no/such/python")
    with pytest.raises(LabError, match="/no/such/python"):
        environment.ensure("nothing")


def test_the_locks_hold_pins_and_hashes_and_no_addresses():
    for name in environment.ENVIRONMENTS:
        text = environment.get(name).lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert not [line for line in text.splitlines() if line[:1].isalpha() and "==" not in line]


def test_moshi_mlx_is_built_and_imports(moshi_mlx_python):
    assert environment.find("moshi-mlx") == moshi_mlx_python
