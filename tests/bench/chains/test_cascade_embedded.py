"""The real cascade and the example bot, end to end: engines, audio and time are real; one run."""

import pytest

from bench.fixtures.library import fixtures_root, load
from bench.report.text.trial import show
from bench.store import store
from tests.bench.chains.real_runs import BOT, EMBEDDED, HEALTHY, KILLED

pytestmark = pytest.mark.unhurried


@pytest.fixture(scope="module")
def run(engines):
    """Two trials; the recogniser's process is killed in the first."""
    return engines.run


def figures(run, trial_id):
    return {r.metric: r for r in store.read_metrics(run.path) if r.trial_id == trial_id}


def test_it_understands_the_command_and_does_what_was_asked(run):
    rows = figures(run, HEALTHY)
    assert run.trial(HEALTHY).status in ("ok", "ruler_late")
    assert rows["stt_wer"].value == 0
    assert rows["task_success"].value == 100


def test_every_stage_of_the_answer_is_timed_and_adds_up(run):
    rows = figures(run, HEALTHY)
    parts = ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output", "residual")
    assert sum(rows[name].value for name in parts) == pytest.approx(
        rows["voice_to_voice"].value, abs=0.001
    )
    assert rows["gap_llm_to_tts"].value is not None
    assert 0 < rows["voice_to_voice"].value < 10_000


def test_each_model_stamps_its_marks_in_a_process_of_its_own(run):
    marks = run.marks(HEALTHY)
    pids = {
        stage: {m.pid for m in marks if (m.stage, m.event) == (stage, event)}
        for stage, event in [
            ("user", "chunk_sent"),
            ("link", "write"),
            ("stt", "final"),
            ("llm", "first_token"),
            ("tts", "first_byte"),
        ]
    }
    assert all(len(found) == 1 for found in pids.values())
    assert len(set.union(*pids.values())) == 5


def test_pipecats_own_metrics_are_kept_under_their_own_names(run):
    names = {m.event for m in run.marks(HEALTHY) if m.stage == "pipecat"}
    assert {"ttfb", "processing", "bot_started", "bot_stopped"} <= names


def test_what_the_agent_spoke_is_at_the_voices_own_rate(run):
    trial = run.trial(HEALTHY)
    assert trial.rate_hz == 22_050
    assert run.recording(trial)[:, 1].any()


def test_loading_is_distinguished_from_answering(run):
    warmup = next(t for t in run.trials if t.warmup and t.preset == EMBEDDED)
    cold = [r for r in store.read_metrics(run.path) if r.metric == "cold_load"]
    assert {r.subject for r in cold if r.trial_id == warmup.trial_id} == {
        "pocketsphinx",
        "creature-3m",
        "espeak-ng",
    }


def test_a_model_killed_in_mid_trial_is_one_error_row_and_the_next_trial_is_well(run):
    killed = run.trial(KILLED)
    assert killed.status == "error"
    assert "pocketsphinx" in killed.error
    assert "signal 9" in killed.error or "SIGKILL" in killed.error
    assert figures(run, KILLED)["voice_to_voice"].valid is False
    # The healthy trial of all other tests is the one after it.
    assert run.trial(HEALTHY).status in ("ok", "ruler_late")
    assert figures(run, HEALTHY)["task_success"].value == 100


def test_run_json_names_the_models_and_their_checksums(run):
    models = {m["name"]: m for m in run.info["presets"]["cascade-embedded"]["models"]}
    assert len(models["creature-3m"]["sha256"]) == 64


def test_the_language_models_corpus_holds_no_fixture_word_for_word():
    corpus = set(
        (fixtures_root().parent / "pipelines/models/creature/user_sentences.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    spoken = {turn.text for path in fixtures_root().glob("*.toml") for turn in load(path).turns}
    assert len(corpus) > 4000 and len(spoken) > 40
    assert not corpus & (spoken - {""})  # a cough has no words


def test_a_face_looks_on_at_a_bot_as_at_any_preset(engines):
    assert {"InputAudioRawFrame", "TranscriptionFrame", "LLMTextFrame"} <= engines.seen
    assert engines.seen & {"transport:OutputAudioRawFrame", "transport:TTSAudioRawFrame"}


def test_the_shipped_example_bot_answers_with_pipecats_own_stage_metrics(engines):
    run = engines.run
    # On a machine that others starve a recogniser may hear nothing: one answered trial will do.
    stages = {"voice_to_voice", "stt_final", "llm_ttft", "tts_ttfb", "endpointing_delay"}
    found = {
        t.trial_id: [r for r in store.read_metrics(run.path) if r.trial_id == t.trial_id]
        for t in run.trials
        if t.preset == BOT
    }
    whole = {
        trial_id: rows
        for trial_id, rows in found.items()
        if stages <= {r.metric for r in rows if r.value is not None}
    }
    assert whole, [(t.trial_id, t.status, t.error) for t in run.trials]
    trial_id, rows = next(iter(whole.items()))
    own = {r.subject: r.value for r in rows if r.metric == "pipecat_ttfb"}
    assert own.keys() >= {"ModelSTTService", "ModelLLMService", "ModelTTSService"}
    assert all(value > 0 for value in own.values())
    assert "pipecat_ttfb: " in show(run, trial_id)
