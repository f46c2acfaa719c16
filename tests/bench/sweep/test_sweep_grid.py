"""A sweep's plan: its runs, their shards, and that each trial is in one of them."""

import json
from dataclasses import replace

import pytest

from bench.runner.late_again import late_again
from bench.sweep.grid import plan_sweep, shards_of, with_shards
from bench.sweep.sweep_file import read_sweep
from bench.sweep.variants import to_toml, with_options
from pipelines.guards.texts import parse_toml
from pipelines.spec import load_spec, preset_names

EVENING = """
presets = ["cascade-scripted", "mine.toml"]
fixtures = ["demo_hello", "cmd_stop", "cmd_come_here"]
networks = ["none", "lte"]
repeats = 4
shard_minutes = 1.0
[options.none]
[options.late]
script.stt_ms = 220
"""


def grid_of(tmp_path, text=EVENING):
    own = load_spec("cascade-scripted").toml.replace("stt_ms = 120", "stt_ms = 60")
    (tmp_path / "mine.toml").write_text(own, encoding="utf-8")
    path = tmp_path / "evening.toml"
    path.write_text(text, encoding="utf-8")
    return plan_sweep(read_sweep(path))


def test_each_network_is_a_run_in_which_presets_and_options_are_interleaved(tmp_path):
    plain, lte = grid_of(tmp_path).cells
    assert (plain.name, lte.name) == ("evening.none", "evening.lte")
    variants = ["cascade-scripted", "cascade-scripted-late", "mine", "mine-late"]
    assert [spec.name for spec in plain.plan.specs] == variants
    assert [spec.name for spec in lte.plan.specs] == [f"{name}-lte" for name in variants]
    delays = [spec.stages["script"].stt_ms for spec in plain.plan.specs]
    assert delays == [120, 220, 60, 220]
    assert {spec.network.name for spec in lte.plan.specs} == {"lte"}
    assert len(plain.plan.trials) == 4 * 3 * 4


def test_what_is_apart_is_for_the_file_to_say(tmp_path):
    apart = 'apart = ["presets", "options"]\n' + EVENING
    grid = grid_of(tmp_path, apart)
    assert [cell.name for cell in grid.cells] == [
        "evening.cascade-scripted-none",
        "evening.cascade-scripted-late",
        "evening.mine-none",
        "evening.mine-late",
    ]
    together = grid_of(tmp_path, "apart = []\n" + EVENING)
    (one,) = together.cells
    assert one.name == "evening"
    assert len(one.plan.specs) == 8


def test_each_planned_trial_is_in_one_shard_under_the_name_that_it_has_in_its_run(tmp_path):
    grid = grid_of(tmp_path)
    for cell in grid.cells:
        own = [trial for s in grid.shards if s.cell == cell for trial in s.plan.trials]
        names = [trial.trial_id for trial in own]
        assert len(names) == len(set(names))
        assert set(names) == {trial.trial_id for trial in cell.plan.trials}


def test_a_shard_is_as_long_as_asked_for_if_it_can_be(tmp_path):
    grid = grid_of(tmp_path)
    assert len(grid.shards) == 2 * 4 * 3  # a fixture each: loading alone takes half a minute
    cell = grid.cells[0]
    for limit_s in (120.0, 180.0, 600.0):
        shards = shards_of(cell, limit_s)
        assert max(shard.plan.seconds() for shard in shards) <= limit_s
    (whole,) = shards_of(cell, 3600.0)
    assert (whole.fixtures, whole.repeats) == (("cmd_come_here", "cmd_stop", "demo_hello"), 4)
    pairs = shards_of(cell, whole.plan.seconds() * 0.75)
    assert [(s.first_repeat, s.repeats) for s in pairs] == [(0, 2), (2, 2)]


def test_the_runs_are_played_by_turns(tmp_path):
    order = [(s.cell.name, s.first_repeat, s.part) for s in grid_of(tmp_path).shards]
    assert order[:6] == [
        ("evening.none", 0, 0),
        ("evening.lte", 0, 0),
        ("evening.lte", 0, 1),
        ("evening.none", 0, 1),
        ("evening.none", 0, 2),
        ("evening.lte", 0, 2),
    ]
    assert [repeat for _, repeat, _ in order] == sorted(repeat for _, repeat, _ in order)


def test_a_late_trial_of_a_shard_gets_a_number_that_no_other_shard_gives(tmp_path):
    grid = grid_of(tmp_path)
    given = []
    for shard in (s for s in grid.shards if s.cell == grid.cells[0]):
        played = dict.fromkeys(shard.trial_ids, "ruler_late")
        for _ in range(5):
            again = late_again(shard.plan, played, shard.cell.retries)
            given += [trial.trial_id for trial in again]
            played |= {trial.trial_id: "ruler_late" for trial in again}
    planned = {trial.trial_id for trial in grid.cells[0].plan.trials}
    assert len(given) == len(set(given)) == 2 * len(planned)
    assert not planned.intersection(given)


def test_a_fixture_for_one_kind_is_in_no_shard_of_the_others(tmp_path):
    text = """
presets = ["cascade-scripted", "duplex-scripted-60ms"]
fixtures = ["demo_hello", "duplex-scripted-60ms:cmd_stop"]
shard_minutes = 0.5
"""
    shards = grid_of(tmp_path, text).shards
    assert [[spec.name for spec in s.plan.specs] for s in shards] == [
        ["duplex-scripted-60ms"],
        ["cascade-scripted"],
    ]


def test_shards_are_read_back_as_they_were(tmp_path):
    grid = grid_of(tmp_path)
    rows = json.loads(json.dumps([shard.row() for shard in grid.shards]))
    assert with_shards(replace(grid, shards=()), rows) == grid


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_the_same_when_it_is_written_again(name):
    spec = load_spec(name)
    assert parse_toml(to_toml(parse_toml(spec.toml))) == parse_toml(spec.toml)


def test_options_replace_single_keys_of_tables_and_leave_the_others():
    spec = load_spec("cascade-stock")
    named = with_options(spec, "short", {"turns": {"vad_stop_secs": 0.1}, "title": "short"})
    assert (named.name, named.title) == ("cascade-stock-short", "short")
    assert named.stages["turns"].vad_stop_secs == 0.1
    assert (
        replace(named.stages["turns"], vad_stop_secs=spec.stages["turns"].vad_stop_secs)
        == (spec.stages["turns"])
    )
    assert with_options(spec, "none", {}) is spec
