"""A sweep on a Ray cluster of two nodes, one of which is killed in the middle, then the head."""

from __future__ import annotations

import os
import secrets
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.store import store
from bench.sweep.cluster.play import play_on
from bench.sweep.folder import SweepFolder
from bench.sweep.grid import plan_sweep, shards_of, with_shards
from bench.sweep.local import play_here, play_plan
from bench.sweep.sweep_file import read_sweep
from pipelines.errors import LabError
from tests.bench.chains.virtual_run import without_processes
from tests.bench.sweep.ray_cluster import cluster_of
from tests.bench.sweep.virtual_player import LOG, STAY, begun

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'ray' is not installed"),
]
ROOT = Path(__file__).parents[3]
PLAYER = "tests.bench.sweep.virtual_player:play"
NIGHT = """
presets = ["cascade-scripted"]
fixtures = ["cmd_stop", "greet_hello"]
networks = ["none", "lte"]
repeats = 10
shard_minutes = 1.7
"""


def rows_of(cell):
    return [shard.row() for shard in shards_of(cell, 3600.0)]


def heard(folder: SweepFolder) -> dict[tuple[str, str], float | None]:
    """(cell, trial) → voice to voice, ms, of every trial of the sweep."""
    found: dict[tuple[str, str], float | None] = {}
    for run in folder.runs():
        trials = {t.trial_id for t in store.read_trials(run.path) if not t.warmup}
        for row in store.read_metrics(run.path):
            if row.metric == "voice_to_voice" and row.trial_id in trials:
                key = (run.cell, row.trial_id)
                assert key not in found, f"{key} is doubled"
                found[key] = row.value
    return found


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    path = tmp_path_factory.mktemp("night") / "night.toml"
    path.write_text(NIGHT, encoding="utf-8")
    return plan_sweep(read_sweep(path))


@pytest.fixture(scope="module")
def local(grid, tmp_path_factory):
    """The same sweep on this machine, without Ray, in shards of any length."""
    grid = with_shards(grid, [row for cell in grid.cells for row in rows_of(cell)])
    folder = SweepFolder(tmp_path_factory.mktemp("local") / "night")
    with pytest.MonkeyPatch.context() as patch:
        without_processes(patch)
        play_here(
            folder.open(grid),
            folder,
            lambda p: None,
            lambda s, at, watch: play_plan(s.plan, at, 2, watch, spin=False),
        )
    return heard(folder)


def test_a_node_and_then_the_head_are_killed_and_each_trial_is_there_once(
    grid, local, tmp_path, monkeypatch
):
    log, stay = tmp_path / "log", tmp_path / STAY
    stay.touch()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(LOG, str(log))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # nobody else can join
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    folder = SweepFolder(tmp_path / "night")
    said: list[str] = []
    played = folder.open(grid)
    assert len(local) == 40

    with cluster_of("north", "south") as cluster:
        killed: list[str] = []

        def watch(progress):
            if progress.text.startswith("playing") and progress.text.endswith(" on south"):
                souths.append(progress.text)
                if len(souths) == 2:
                    while begun(log).count("south") < 2:
                        time.sleep(0.1)
                    cluster.kill("south")
                    killed.append("south")
                    stay.unlink()
            if progress.done >= 30 and killed == ["south"]:
                cluster.kill("north")
                killed.append("north")

        souths: list[str] = []
        with pytest.raises(LabError) as gone:
            play_on(cluster.address, played, folder, watch, player=PLAYER, tell=said.append)
    lost = souths[1].split()[1]
    assert said[0] == f"south was lost; {lost} is played again."
    assert all(sentence.startswith("north was lost; ") for sentence in said[1:])
    kept = heard(folder)
    assert len(kept) == 30
    assert str(gone.value).startswith(f"--ray {cluster.address}: the cluster is gone. Stopped; ")
    assert str(gone.value).endswith(
        f" are done and kept in {folder.path}. To resume: the same command again."
    )

    with cluster_of("north") as cluster:
        play_on(cluster.address, folder.open(grid), folder, lambda p: None, player=PLAYER)
    found = heard(folder)
    assert found == local
    assert {key: found[key] for key in kept} == kept
    assert {run.machine for run in folder.runs()} == {"north", "south"}
    said_there = {tuple(line.split()[1:]) for line in log.read_text("utf-8").splitlines()}
    here = str(os.getpriority(os.PRIO_PROCESS, 0))
    assert said_there == {("-", here)}  # threads and niceness as typed there, not as in a worker
    assert 1 <= len(begun(log)) - len(grid.shards) <= 2  # the killed node's shard, and the head's
