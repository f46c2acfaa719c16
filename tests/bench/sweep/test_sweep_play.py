"""A sweep is played shard by shard, gathered, stopped and gone on with; agents are doubles."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli.comparing.sides import sides_of
from bench.cli.main import app
from bench.cli.playing.planned import planned_in
from bench.fixtures.library import fixtures_root
from bench.runner.progress import Progress
from bench.runner.run import RunStoppedError
from bench.runner.trial import Outcome
from bench.simulated.turns import TurnPlan, trial_of
from bench.store import store
from bench.store.lock import RunLock
from bench.store.records import Trial
from bench.sweep.cluster.play import play_on
from bench.sweep.figures import rows
from bench.sweep.folder import SweepFolder
from bench.sweep.gather import gather
from bench.sweep.grid import Grid, plan_sweep
from bench.sweep.local import compute, gather_whole, play, play_here
from bench.sweep.sweep_file import read_sweep
from pipelines.errors import LabError
from tests.bench.chains.virtual_run import without_processes

EVENING = """
presets = ["cascade-scripted"]
fixtures = ["cmd_stop", "demo_hello"]
networks = ["none", "lte"]
repeats = 2
shard_minutes = 0.5
"""
PLANNED = {
    f"evening.{network}": {
        f"cascade-scripted{over}.{fixture}.{repeat}"
        for fixture in ("cmd_stop", "demo_hello")
        for repeat in range(2)
    }
    for network, over in (("none", ""), ("lte", "-lte"))
}


def answered(order: Trial, *_: object) -> Outcome:
    """A turn that is answered, played in no time: 600 ms, in each repeat 10 ms later."""
    wait_ms = 560.0 + 10.0 * order.repeat  # before 40 ms of silence that leads the answer
    trial, marks, pcm = trial_of([TurnPlan(heard_ms=wait_ms, write_ms=wait_ms - 1)])
    known = {"t0_ns": trial.t0_ns, "rate_hz": trial.rate_hz, "audio_s": trial.audio_s}
    utc = f"2026-12-01T10:00:00.000+00:00 {order.trial_id} {next(COUNT)}"
    played = replace(order, started_utc=utc, **known)  # type: ignore[arg-type]
    return Outcome(played, marks, pcm, trial.rate_hz)


COUNT = iter(range(1_000_000))


def grid_of(folder: Path, text: str = EVENING) -> Grid:
    path = folder / "evening.toml"
    path.write_text(text, encoding="utf-8")
    return plan_sweep(read_sweep(path))


def ignore(progress: Progress) -> None:
    """Nobody watches."""


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra 'ray' is not installed")
def test_an_address_without_a_cluster_is_refused_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and does not listen: Ray would try for ever
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        grid, folder = grid_of(tmp_path), SweepFolder(tmp_path / "sweep")
        with pytest.raises(LabError, match=rf"^--ray {address}: no cluster answers there: "):
            play_on(address, grid, folder, ignore)
    assert not (tmp_path / "sweep").exists()
    with pytest.raises(LabError, match=r"^--ray 127\.0\.0\.1:99999: no cluster answers there: "):
        play_on("127.0.0.1:99999", grid, folder, ignore)


@pytest.fixture
def evening(tmp_path, monkeypatch):
    """A sweep that has not begun, in its folder."""
    without_processes(monkeypatch, answered)
    folder = SweepFolder(tmp_path / "results" / "evening")
    grid = folder.open(grid_of(tmp_path))
    return grid, folder


def played(folder: SweepFolder) -> dict[str, list[str]]:
    """Cell → its trials in all of its runs, warm-ups left out."""
    found: dict[str, list[str]] = {}
    for run in folder.runs():
        ids = [trial.trial_id for trial in store.read_trials(run.path) if not trial.warmup]
        found.setdefault(run.cell, []).extend(ids)
    return found


def require_each_once(folder: SweepFolder) -> None:
    found = played(folder)
    assert {cell: sorted(ids) for cell, ids in found.items()} == {
        cell: sorted(ids) for cell, ids in PLANNED.items()
    }


def test_each_planned_trial_is_played_once_into_ordinary_runs(evening):
    grid, folder = evening
    told: list[Progress] = []
    play_here(grid, folder, told.append)
    require_each_once(folder)
    assert not list((folder.path / "shards").iterdir())
    run = store.read_run(folder.path / "evening.lte")
    assert {trial.run_id for trial in run.trials} == {"evening.lte"}
    assert all(run.recording(trial) is not None for trial in run.trials)
    assert all(run.marks(trial.trial_id) for trial in run.trials)
    shards = [shard for shard in grid.shards if shard.cell.name == "evening.lte"]
    warmups = {trial.trial_id for trial in run.trials if trial.warmup}
    assert len(warmups) == len(shards) == 4  # every shard's agent is cold once
    assert [s["shard"] for s in run.info["sessions"]] == [shard.name for shard in shards]
    assert run.info["calibration"]["sent"] == 20 * len(shards)
    assert [(p.done, p.total) for p in (told[0], told[-1])] == [(0, 8), (8, 8)]
    assert [p.done for p in told] == sorted(p.done for p in told)
    left = [p.left_s for p in told]
    assert left[0] == pytest.approx(grid.seconds(), rel=0.3)
    assert left[-1] < 10.0
    heard = {row["preset"]: row["p50_ms"] for row in rows(folder)}
    assert heard.keys() == {"cascade-scripted", "cascade-scripted-lte"}
    assert list(heard.values()) == pytest.approx([605.0, 605.0], abs=1.0)  # of 600 and 610


def test_a_sweep_that_was_stopped_goes_on_where_it_was(evening):
    grid, folder = evening

    def stops(shard, shard_dir, watch):
        if shard.name == grid.shards[3].name:
            raise KeyboardInterrupt
        play(shard, shard_dir, watch)

    with pytest.raises(RunStoppedError, match=r"Stopped; 3 of \d+ shards are done and kept in "):
        play_here(grid, folder, ignore, stops)
    kept = {cell: set(ids) for cell, ids in played(folder).items()}
    assert (folder.path / "evening.none" / "metrics.parquet").exists()
    again: list[str] = []

    def counts(shard, shard_dir, watch):
        again.append(shard.name)
        play(shard, shard_dir, watch)

    play_here(folder.open(grid), folder, ignore, counts)
    require_each_once(folder)
    assert again == [shard.name for shard in grid.shards[3:]]
    assert all(ids <= PLANNED[cell] for cell, ids in kept.items())
    play_here(folder.open(grid), folder, ignore, counts)
    assert len(again) == len(grid.shards) - 3  # nothing is left to play


def test_a_shard_that_was_stopped_keeps_its_trials(evening, monkeypatch):
    grid, folder = evening
    orders: list[str] = []

    def stopped_at_the_second(order, *rest):
        if not order.warmup:
            orders.append(order.trial_id)
            if len(orders) == 2:
                raise KeyboardInterrupt
        return answered(order, *rest)

    without_processes(monkeypatch, stopped_at_the_second)
    with pytest.raises(RunStoppedError):
        play_here(grid, folder, ignore)
    play_here(folder.open(grid), folder, ignore)
    require_each_once(folder)
    assert len(orders) == 8 + 1  # the one that was cut off, once more
    assert orders.count(orders[0]) == 1


def test_a_gathering_that_was_killed_is_done_again_and_doubles_nothing(evening, monkeypatch):
    grid, folder = evening
    shard = grid.shards[0]
    play(shard, folder.shard_dir(shard), ignore)
    write, written = store.write_trial, []

    def dies_at_the_second(run_dir, trial, marks):
        written.append(trial.trial_id)
        if len(written) == 2:
            raise KeyboardInterrupt
        write(run_dir, trial, marks)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_trial", dies_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            gather(folder, shard)
    assert shard not in gather_whole(grid, folder)
    run = store.read_run(folder.path / shard.cell.name)
    names = [trial.trial_id for trial in run.trials]
    assert len(names) == len(set(names)) == len(shard.trial_ids) + 1
    assert len(run.info["sessions"]) == 1


def test_a_folder_is_of_one_sweep(evening, tmp_path):
    grid, folder = evening
    other = grid_of(tmp_path, EVENING.replace("repeats = 2", "repeats = 4"))
    with pytest.raises(LabError) as refused:
        folder.open(other)
    assert str(refused.value) == (
        f"{folder.path} holds a sweep with other repeats: name another folder with --out, or undo "
        "the change."
    )
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "run.json").write_text("{}")
    with pytest.raises(LabError, match="holds something that is no sweep: name another folder"):
        SweepFolder(tmp_path / "busy").open(grid)


def test_parts_of_a_sweep_are_as_long_as_they_were_when_it_began(evening, tmp_path):
    grid, folder = evening
    longer = grid_of(tmp_path, EVENING.replace("shard_minutes = 0.5", "shard_minutes = 60"))
    assert len(longer.shards) == 2
    assert folder.open(longer).shards == grid.shards


def on_two_machines(folder: SweepFolder, grid: Grid) -> None:
    """Plays a sweep as a cluster would: the first repeat on the one, the second on the other."""
    for shard in grid.shards:
        shard_dir, machine = folder.shard_dir(shard), ("north", "south")[shard.first_repeat]
        play(shard, shard_dir, ignore)
        info = store.read_info(shard_dir)
        info["machine"]["name"] = machine
        store.write_info(shard_dir, info)
    assert gather_whole(grid, folder) == []
    compute(folder)


def test_each_machine_has_runs_of_its_own_and_nothing_is_doubled(evening):
    grid, folder = evening
    on_two_machines(folder, grid)
    require_each_once(folder)
    names = {(run.path.name, run.machine) for run in folder.runs()}
    assert names == {
        (f"{cell}@{machine}", machine) for cell in PLANNED for machine in ("north", "south")
    }
    assert {(row["machine"], round(row["p50_ms"])) for row in rows(folder)} == {
        ("north", 600),
        ("south", 610),
    }
    # Two machines of one kind are named, and not compared unasked.
    pair = [folder.path / f"evening.none@{machine}" for machine in ("north", "south")]
    with pytest.raises(LabError) as refused:
        sides_of(pair, None, across_machines=False)
    assert str(refused.value) == (
        f"{pair[0]} and {pair[1]} can't be compared: they were measured on different machines "
        "(name: north and south); with --across-machines what the machines do is part of the "
        "difference"
    )
    _, remarks, _ = sides_of(pair, None, across_machines=True)
    assert remarks[0][0].startswith("Measured on different machines (name: north and south): ")
    with pytest.raises(LabError) as pooled:
        sides_of([folder.path], "cascade-scripted,cascade-scripted", across_machines=True)
    assert str(pooled.value) == (
        f"{folder.path}: it is a sweep, whose runs are never pooled; name one of its runs: "
        "evening.lte@north, evening.lte@south, evening.none@north, evening.none@south."
    )


def test_a_run_of_a_sweep_is_not_gone_on_with_by_itself(evening):
    grid, folder = evening
    play_here(grid, folder, ignore)
    with pytest.raises(LabError, match="is part of a sweep, whose other parts may be played else"):
        planned_in(folder.path / "evening.none")


def test_a_sweep_that_was_begun_on_another_machine_is_not_gone_on_with_here(evening):
    grid, folder = evening
    shard = grid.shards[0]
    play(shard, folder.shard_dir(shard), ignore)
    run_dir = gather(folder, shard)
    info = store.read_info(run_dir)
    info["machine"]["cpu"] = "Abacus"
    store.write_info(run_dir, info)
    with pytest.raises(LabError, match=r"was measured on another machine \(cpu: Abacus and "):
        play_here(grid, folder, ignore)


def test_the_command_plans_plays_reports_and_goes_on(tmp_path, monkeypatch):
    without_processes(monkeypatch, answered)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(fixtures_root()))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "evening.toml").write_text(EVENING, encoding="utf-8")
    call = CliRunner().invoke
    planned = call(app, ["sweep", "evening.toml", "--dry-run", "--format", "json"])
    assert [row["trials"] for row in json.loads(planned.stdout)] == [4, 4]
    assert not (tmp_path / "results").exists()
    done = call(app, ["sweep", "evening.toml"])
    assert done.exit_code == 0, done.output
    assert "evening.none  this one  cascade-scripted " in done.stdout
    assert [p.name for p in (tmp_path / "results").iterdir()] == ["evening"]
    after = call(app, ["sweep", "evening.toml", "--dry-run"])
    assert (
        "8 trials in 8 shards: " in after.stdout
        and " 0 s of it left. In results/evening." in after.stdout
    )
    again = call(app, ["sweep", "evening.toml", "--format", "json"])
    assert {row["trials"] for row in json.loads(again.stdout)} == {4}
    require_each_once(SweepFolder(tmp_path / "results" / "evening"))
    with RunLock(tmp_path / "results" / "evening"):
        busy = call(app, ["sweep", "evening.toml"])
    assert isinstance(busy.exception, LabError)
    assert "another run writes here" in str(busy.exception)
