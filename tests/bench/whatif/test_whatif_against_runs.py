"""What a run with other stages measures, beside what was predicted of a run without: virtual time.

Each run is played, written and computed as any other; only the clock is not the wall's.
"""

import statistics

import pytest

from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.store import store
from bench.whatif.change import parse_changes
from bench.whatif.forecast import forecast, network_of
from pipelines.spec import load_spec, parse_spec
from tests.bench.chains.real_runs import BRIEF, quiet, two_turns
from tests.bench.chains.scripted_turns import ms, turns_of
from tests.bench.chains.virtual_run import without_processes

RANDOM = "cascade-scripted-random"
CHANGED = {
    "stt-half": ("stt_ms = 60", ["stt_tail=0.5x"]),
    "four": (
        "turn_wait_ms = 75\nstt_ms = 150\nllm_ttft_ms = 450\ntts_ttfb_ms = 40",
        ["vad_stop=+45ms", "stt_tail=150ms", "llm_ttft=1.5x", "tts_ttfb<=40ms"],
    ),
}
"""Preset → lines of its [script], and the changes that say the same of cascade-scripted."""
FAR = "satellite"
AT_MOST_MS = 20.0
"""Largest error of a predicted median."""
SAMPLE_MS = 1000 / 24_000


def scripted(name, lines, more=""):
    """A scripted preset with some of its options replaced."""
    kept = [
        line
        for line in load_spec("cascade-scripted").toml.splitlines()
        if line.partition(" =")[0] not in {one.partition(" =")[0] for one in lines.splitlines()}
    ]
    text = "\n".join(kept) + f"\n{lines}\n{more}"
    return parse_spec(name, text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The scripted cascades as they are, with other stages, and over two networks."""
    folder = tmp_path_factory.mktemp("runs") / "whatif"
    specs = (
        load_spec("cascade-scripted"),
        load_spec(RANDOM),
        *(scripted(name, lines) for name, (lines, _) in CHANGED.items()),
        scripted("far", "", more=f'[network]\nname = "{FAR}"\n'),
        scripted("lte", "", more='[network]\nname = "lte"\n'),
    )
    with pytest.MonkeyPatch.context() as patch:
        without_processes(patch)
        plan = Plan(specs, (two_turns(),), 1, **BRIEF)
        assert execute(plan, folder, resume=False, watch=quiet) == 0
    return store.read_run(folder)


def measured(run, preset):
    """(fixture, turn) → voice to voice, ms."""
    return {
        (row.fixture, row.turn): row.value
        for row in store.read_metrics(run.path)
        if row.metric == "voice_to_voice" and row.preset == preset and not row.warmup
    }


def predicted(run, preset, changes=(), network=""):
    """(fixture, turn) → predicted voice to voice, ms; and the preset's forecast."""
    (found,) = forecast(run, parse_changes(list(changes)), network_of(network), preset)
    assert not found.reasons
    return {turn.key: statistics.median(turn.predicted_ms) for turn in found.turns}, found


@pytest.mark.parametrize("preset", CHANGED)
def test_a_changed_stage_is_heard_where_it_was_predicted(run, preset):
    said, of = predicted(run, "cascade-scripted", CHANGED[preset][1])
    heard = measured(run, preset)
    assert said.keys() == heard.keys() and len(said) == 2
    assert heard != pytest.approx(measured(run, "cascade-scripted"), abs=10)
    assert said == pytest.approx(heard, abs=2 * SAMPLE_MS)
    assert of.forecast(0.5).value == pytest.approx(
        statistics.median(heard.values()), abs=AT_MOST_MS
    )


def test_stages_that_differ_from_turn_to_turn_are_scaled_turn_by_turn(run):
    said, _ = predicted(run, RANDOM, ["llm_to_clause=0.5x"])
    scripts = [due for due, _, _, _ in turns_of(run, RANDOM)]
    saved = [ms(due["llm.to_tts"], due["stt.final"]) / 2 for due in scripts]
    moved = [was - said[key] for key, was in measured(run, RANDOM).items()]
    assert moved == pytest.approx(saved, abs=2 * SAMPLE_MS)
    assert len({round(one) for one in saved}) == 2


def test_a_network_without_chance_is_predicted_to_the_sample(run):
    said, _ = predicted(run, "cascade-scripted", network=FAR)
    assert said == pytest.approx(measured(run, "far"), abs=2 * SAMPLE_MS)


def test_a_network_of_chance_is_predicted_to_its_jitter(run):
    _, found = predicted(run, "cascade-scripted", network="lte")
    heard = statistics.median(measured(run, "lte").values())
    assert found.forecast(0.5).value == pytest.approx(heard, abs=AT_MOST_MS)
    draws = {ms for turn in found.turns for ms in turn.predicted_ms}
    assert len(draws) == 40  # 2 turns, 20 draws each: none like another


def test_a_run_over_a_network_is_not_put_over_a_second_one(run):
    with pytest.raises(Exception, match="lte was measured over a network already"):
        predicted(run, "lte", network="hspa")
