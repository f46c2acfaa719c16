"""What travels to a machine: by content, checked; and how its process is started there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from bench.store import store
from bench.sweep.cluster import node
from bench.sweep.cluster.parcel import (
    contents_of,
    lay_out,
    order_of,
    pack,
    read_order,
    unpack,
    version,
)
from bench.sweep.grid import plan_sweep
from bench.sweep.sweep_file import read_sweep
from pipelines.errors import LabError
from tests.bench.sweep.test_sweep_play import EVENING


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("evening") / "evening.toml"
    path.write_text(EVENING, encoding="utf-8")
    return plan_sweep(read_sweep(path))


@pytest.fixture
def order(grid):
    return order_of(grid.shards[0], version())


@pytest.fixture
def contents(grid, order):
    every = contents_of([cell.plan for cell in grid.cells])
    return {name: every[name] for name in order.needs}


def test_each_content_travels_once_however_many_shards_need_it(grid):
    every = contents_of([cell.plan for cell in grid.cells])
    assert len(every) == 2 + 2 + 3  # two presets; of each fixture the TOML and its WAVs
    needs = {name for shard in grid.shards for name in order_of(shard, "1").needs}
    assert needs == every.keys()
    assert len(order_of(grid.shards[0], "1").needs) == 3


def test_a_shard_that_was_laid_out_is_the_plan_that_it_was(
    grid, order, contents, tmp_path, monkeypatch
):
    lay_out(order, contents, tmp_path)
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(tmp_path / "fixtures"))
    read, plan = read_order(tmp_path)
    assert plan.identity() == grid.shards[0].plan.identity()
    assert (read.shard, read.retries) == ("evening.none.r0p0", 2)
    assert [t.trial_id for t in plan.trials] == [t.trial_id for t in grid.shards[0].plan.trials]


def test_a_content_that_arrives_damaged_is_refused(order, contents, tmp_path):
    name = order.needs[0]
    with pytest.raises(LabError, match=r"a content arrived damaged \(its SHA-256 is not "):
        lay_out(order, {**contents, name: b"else"}, tmp_path)


def test_a_run_arrives_whole_in_the_place_of_what_was_there(tmp_path):
    run, there = tmp_path / "run", tmp_path / "there"
    (run / "parts").mkdir(parents=True)
    (run / "parts" / "a.parquet").write_bytes(b"rows")
    (run / ".lock").write_bytes(b"7")
    (there / "parts").mkdir(parents=True)
    (there / "parts" / "b.parquet").write_bytes(b"old")
    unpack(pack(run), there, shutil.rmtree)
    assert [p.relative_to(there).as_posix() for p in there.rglob("*.*")] == ["parts/a.parquet"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "there"]


def test_a_machine_with_another_duplex_lab_plays_nothing(order, contents):
    other = replace(order, version="0.0.9, commit abc")
    packed, why = node.play(other, "north", *contents.values())
    assert packed is None
    assert why == (
        f"north has duplex-lab {version()}, and the sweep was planned by 0.0.9, commit abc: "
        "install the same there"
    )


def test_a_machine_says_in_a_sentence_why_it_cannot_play(order, contents):
    refused = replace(order, player="bench.sweep.cluster.parcel:PLAYER_THAT_IS_NOT")
    packed, why = node.play(refused, "north", *(contents[name] for name in order.needs))
    assert packed is None
    assert why.startswith("north: the shard's process ended with 1: ")
    broken = {**order.plan, "fixtures": {"cmd_stop": "0" * 64}}
    packed, why = node.play(replace(order, plan=broken), "north", *contents.values())
    assert (packed, why) == (
        None,
        "north: evening.none.r0p0: its fixtures are not those of the plan.",
    )


def test_a_machine_whose_workers_give_way_to_others_plays_nothing(order, contents, monkeypatch):
    own = {0: 15, os.getppid(): 0}
    monkeypatch.setattr("os.getpriority", lambda which, pid: own[pid])
    packed, why = node.play(order, "north", *contents.values())
    assert packed is None
    assert why == (
        "north: Ray's workers give way there to all other processes (niceness +15): start Ray with "
        "RAY_worker_niceness=0"
    )


def test_what_was_played_says_on_which_machine(order, contents, tmp_path, monkeypatch):
    def played(plan, run_dir, retries, watch, *, spin):
        store.write_info(run_dir, {"machine": {"cpu": "Abacus"}, "spin": spin})

    lay_out(replace(order, player="x:y", spin=False), contents, tmp_path)
    monkeypatch.setattr(node, "load_object", {"x:y": played}.get)
    monkeypatch.setattr(node, "_end_with_worker", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(tmp_path / "fixtures"))
    monkeypatch.setenv(node.MACHINE, "north")
    assert node.main(tmp_path) == 0
    info = json.loads((tmp_path / "played" / "run.json").read_text())
    assert info == {"machine": {"cpu": "Abacus", "name": "north"}, "spin": False}


def test_what_ray_sets_in_its_workers_is_as_the_machine_has_it():
    worker = {"HOME": "/home", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    assert node.own_environment(worker, {"HOME": "/root"}) == {"HOME": "/home"}
    assert node.own_environment(worker, {"OMP_NUM_THREADS": "4"}) == {
        "HOME": "/home",
        "OMP_NUM_THREADS": "4",
    }
