"""A run of both scripted cascades in virtual time: what is heard is the script, to a sample."""

import pytest

from bench.metrics.recompute import analyse
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.store import store
from pipelines.errors import LabError
from pipelines.spec import load_spec
from tests.bench.chains.real_runs import BRIEF, SCRIPTED, fixture, quiet, two_turns
from tests.bench.chains.scripted_turns import ms, turns_of
from tests.bench.chains.virtual_run import without_processes

RANDOM = "cascade-scripted-random"
PRESETS = (SCRIPTED, RANDOM)
SAMPLE_MS = 1000 / 24_000
"""The longest time between the sample that is due and the one that is heard."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A single turn and a conversation of each."""
    folder = tmp_path_factory.mktemp("runs") / "scripted"
    specs, fixtures = tuple(map(load_spec, PRESETS)), (fixture("greet_hello"), two_turns())
    with pytest.MonkeyPatch.context() as patch:
        without_processes(patch)
        assert execute(Plan(specs, fixtures, 1, **BRIEF), folder, resume=False, watch=quiet) == 0
    return store.read_run(folder)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_heard_is_what_the_script_says(run, preset):
    found = list(turns_of(run, preset))
    assert len(found) == 3
    for due, done, values, u_off in found:
        heard_ms = ms(due["tts.first_byte"], u_off)
        assert values["voice_to_voice"] == pytest.approx(heard_ms, abs=SAMPLE_MS)
        assert ms(done["link.write"], due["tts.first_byte"]) == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_stage_takes_what_the_script_says(run, preset):
    for due, _, values, u_off in turns_of(run, preset):
        wanted = {
            "endpointing_delay": ms(due["stt.final"], u_off),
            "llm_to_clause": ms(due["llm.to_tts"], due["stt.final"]),
            "tts_ttfb": ms(due["tts.first_byte"], due["llm.to_tts"]),
        }
        assert {name: values[name] for name in wanted} == pytest.approx(wanted, abs=0.001)


def test_the_random_script_differs_from_turn_to_turn(run):
    heard = [ms(due["tts.first_byte"], u_off) for due, _, _, u_off in turns_of(run, RANDOM)]
    assert len(set(heard)) == len(heard) == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_segments_and_gaps_add_up_to_what_was_heard(run, preset):
    for _, _, values, _ in turns_of(run, preset):
        parts = [values[n] for n in ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output")]
        assert sum(parts) + values["residual"] == pytest.approx(values["voice_to_voice"], abs=0.001)


def test_every_trial_is_whole_on_disk(run):
    assert [(t.preset, t.fixture, t.warmup, t.status) for t in run.trials] == [
        (SCRIPTED, "greet_hello", True, "ok"),
        (RANDOM, "greet_hello", True, "ok"),
        (SCRIPTED, "greet_hello", False, "ok"),
        (RANDOM, "greet_hello", False, "ok"),
        (RANDOM, "hello_thanks", False, "ok"),  # the first preset alternates
        (SCRIPTED, "hello_thanks", False, "ok"),
    ]
    for trial in run.trials:
        pcm = run.recording(trial)
        assert pcm.shape == (round(trial.audio_s * trial.rate_hz), 2)
        assert pcm[:, 0].any() and pcm[:, 1].any()


def test_computing_the_metrics_again_gives_the_same_bytes(run):
    before = (run.path / "metrics.parquet").read_bytes()
    analyse(run.path)
    assert (run.path / "metrics.parquet").read_bytes() == before


def test_a_folder_that_holds_a_run_is_not_written_into(run):
    plan = Plan((load_spec(SCRIPTED),), (fixture("greet_hello"),), 1)
    with pytest.raises(LabError, match="already holds a run: resume it by --resume"):
        execute(plan, run.path, resume=False, watch=quiet)
    with pytest.raises(LabError, match="measured with other presets"):
        execute(plan, run.path, resume=True, watch=quiet)
