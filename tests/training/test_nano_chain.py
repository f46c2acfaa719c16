"""The evaluator through a whole run in virtual time: an oracle is right, a mute one is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench.fixtures.library import fixtures_root
from bench.recorded.listener import Sphinx, listen
from bench.runner.plan import Plan, make_plan
from bench.runner.run import execute
from tests.bench.chains.virtual_run import without_processes
from training.nano_duplex.verdicts import Evaluation, evaluate

COMMITTED = fixtures_root()
PRESETS = ("duplex-oracle", "duplex-mute")
TURNS = {"floor_05": (0, 3), "floor_01": (0, 1), "hes_bring_key": (0,)}
"""Fixture → those of its turns that are played: a backchannel, an interruption, a pause."""
PATIENCE = ("timeout_s = 10.0", "timeout_s = 3.0")
"""The oracle answers within half a second; the mute one is waited for no longer."""


def short_fixtures(folder: Path) -> None:
    """The first turns of some fixtures, in a folder of their own."""
    for name, chosen in TURNS.items():
        head, *turns = (COMMITTED / f"{name}.toml").read_text(encoding="utf-8").split("[[turn]]")
        kept = ["[[turn]]" + turns[number].replace(*PATIENCE) for number in chosen]
        (folder / f"{name}.toml").write_text("".join([head, *kept]), encoding="utf-8")
        for turn in kept:
            wav = turn.split('wav = "')[1].split('"')[0]
            shutil.copy(COMMITTED / wav, folder / wav)


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, Evaluation]:
    """Both doubles on these turns; the mute one is asked only once, because it is waited for."""
    folder, run_dir = tmp_path_factory.mktemp("fixtures"), tmp_path_factory.mktemp("runs") / "run"
    short_fixtures(folder)
    recogniser = Sphinx()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUPLEX_LAB_FIXTURES", str(folder))
        without_processes(patch)
        every = make_plan(",".join(PRESETS), "all", 1)
        own = {"duplex-mute": ("hes_bring_key",)}
        plan = Plan(every.specs, every.fixtures, 1, own=own)
        execute(plan, run_dir, resume=False, watch=lambda _: None)
        run, _ = listen(run_dir, recogniser, recogniser.described)
        return {preset: evaluate([run], preset) for preset in PRESETS}


def figures(found: Evaluation) -> dict[str, tuple[float | None, int]]:
    return {one.gate.name: (one.figure.value, one.figure.n) for one in found.gates}


def test_the_oracle_is_right_in_everything_that_is_timed(found):
    gates = figures(found["duplex-oracle"])
    # The answer that is broken into is not judged by its words; one turn is a backchannel.
    assert gates["intent and slots right, in the text"] == (100.0, 3)
    for how in ("in the text", "as heard"):
        assert gates[f"turn taken at its end, {how}"] == (100.0, 4)
        assert gates[f"began in a labelled pause, {how}"] == (0.0, 1)
        assert gates[f"went on through a backchannel, {how}"] == (100.0, 1)
    # 200 ms after the label, and 80 + 20 ms of frame and work: it can't be heard sooner.
    assert gates["heard gap p50, B = 0"][0] >= 299
    # 240 + 80 + 20 ms after the label; a word may have ended a little before that.
    assert gates["stop after an interruption p50"][0] >= 240


def test_the_oracles_words_are_heard(found):
    heard = figures(found["duplex-oracle"])["intent and slots right, as heard"]
    assert found["duplex-oracle"].faults.wordless_ms is not None
    assert heard[1] == 3
    assert heard[0] is not None and heard[0] >= 50


def test_the_mute_one_answers_nothing_starts_in_no_pause_and_is_not_timed(found):
    gates = figures(found["duplex-mute"])
    for how in ("in the text", "as heard"):
        assert gates[f"intent and slots right, {how}"] == (0.0, 1)
        assert gates[f"turn taken at its end, {how}"] == (0.0, 1)
        assert gates[f"began in a labelled pause, {how}"] == (0.0, 1)
    for name in ("heard gap p50, B = 0", "stop after an interruption p50"):
        assert gates[name] == (None, 0)
    assert found["duplex-mute"].voices == 0
