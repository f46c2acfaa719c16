"""The whole chain on the scripted presets, whose right answer is known."""

import json

import pytest

from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.store import store
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.spec import load_spec
from tests.bench.chains.real_runs import PLAYED, fixture, quiet

pytestmark = pytest.mark.realtime

TOLERANCE_MS = 2.0

PRESETS = ("cascade-scripted", "cascade-scripted-random")


@pytest.fixture(scope="module")
def run(scripted):
    """One run of both scripted presets, a single and a conversation."""
    return scripted.run


def turns_of(run, preset):
    """(marks, figures, u_off) of each turn that counts."""
    rows = store.read_metrics(run.path)
    for trial in run.trials:
        if trial.preset != preset or trial.warmup or trial.status == "ruler_late":
            continue
        marks = run.marks(trial.trial_id)
        for turn in range(trial.turns):
            values = {
                r.metric: r.value for r in rows if r.trial_id == trial.trial_id and r.turn == turn
            }
            mine = [m for m in marks if m.turn == turn]
            u_off = next(m.t_ns for m in mine if (m.stage, m.event) == ("user", "speech_off"))
            due = {m.text: m.t_ns for m in mine if (m.stage, m.event) == ("script", "deadline")}
            done = {f"{m.stage}.{m.event}": m.t_ns for m in mine if m.stage != "script"}
            writes = sorted(m.t_ns for m in marks if (m.stage, m.event) == ("link", "write"))
            done["link.write"] = next(t for t in writes if t > due["tts.first_byte"])
            releases = sorted(m.t_ns for m in marks if (m.stage, m.event) == ("turn", "release"))
            done["turn.release"] = next(t for t in releases if t > done["stt.final"])
            yield due, done, values, u_off


def ms(end_ns, start_ns):
    return (end_ns - start_ns) / NS_PER_MS


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_heard_is_the_script_plus_the_lateness_that_was_stamped(run, preset):
    found = list(turns_of(run, preset))
    assert found, "the ruler was late in every trial: the machine is too busy to measure"
    for due, done, values, u_off in found:
        script_ms = ms(due["tts.first_byte"], u_off)
        lateness_ms = ms(done["link.write"], due["tts.first_byte"])
        assert values["voice_to_voice"] == pytest.approx(script_ms + lateness_ms, abs=TOLERANCE_MS)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_stage_is_read_back_as_scripted_plus_the_lateness_that_was_stamped(run, preset):
    # Stage: (its deadline, the mark that ends it, where it counts from, the mark that begins it).
    stages = {
        "endpointing_delay": ("stt.final", "turn.release", "user.speech_off", "user.speech_off"),
        "llm_to_clause": ("llm.to_tts", "llm.to_tts", "stt.final", "llm.request"),
        "tts_ttfb": ("tts.first_byte", "tts.first_byte", "llm.to_tts", "tts.request"),
    }
    for due, done, values, u_off in turns_of(run, preset):
        due["user.speech_off"] = u_off
        for name, (deadline, end, since, begin) in stages.items():
            late_ms = ms(done[end], due[deadline]) - ms(done[begin], due[since])
            wanted_ms = ms(due[deadline], due[since]) + late_ms
            assert ms(done[end], due[deadline]) >= 0
            assert values[name] == pytest.approx(wanted_ms, abs=TOLERANCE_MS), name


def test_the_scripted_cascade_is_600_ms_of_which_the_turn_wait_holds_the_stt(run):
    for due, done, values, u_off in turns_of(run, "cascade-scripted"):
        scripted = {name: ms(t_ns, u_off) for name, t_ns in due.items()}
        assert scripted["vad.speech_stop"] == 30
        assert scripted["stt.final"] == 150
        assert scripted["llm.to_tts"] == 450
        assert scripted["tts.first_byte"] == 600
        assert values["stt_final"] == pytest.approx(ms(done["stt.final"], u_off), abs=0.001)
        tail_ms = ms(done["stt.final"], done["vad.speech_stop"])
        assert values["stt_tail"] == pytest.approx(tail_ms, abs=0.001)


def test_the_random_script_differs_from_turn_to_turn(run):
    totals = {
        ms(due["tts.first_byte"], u_off)
        for due, _, _, u_off in turns_of(run, "cascade-scripted-random")
    }
    assert len(totals) == len(list(turns_of(run, "cascade-scripted-random"))) > 0


def test_segments_and_gaps_add_up_to_what_was_heard(run):
    for preset in PRESETS:
        for _, _, values, _ in turns_of(run, preset):
            parts = [
                values[n] for n in ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output")
            ]
            assert sum(parts) + values["residual"] == pytest.approx(
                values["voice_to_voice"], abs=0.001
            )


def test_every_trial_is_whole_on_disk(run):
    trials = [t for t in run.trials if t.preset in PRESETS]
    assert {t.status for t in trials} <= PLAYED
    late = [t for t in trials if t.status == "ruler_late" and not t.warmup]
    again = [t for t in trials if t.repeat > 0]
    assert len(trials) - len(again) == 6
    assert len(again) <= len(late)  # each stands for one whose ruler was late
    assert sum(t.warmup for t in trials) == 2
    for trial in trials:
        pcm = run.recording(trial)
        assert pcm.shape == (round(trial.audio_s * trial.rate_hz), 2)
        assert pcm[:, 0].any() and pcm[:, 1].any()
        pids = {m.pid for m in run.marks(trial.trial_id)}
        assert len(pids) == 2  # the caller's and the agent's
        assert 0 < trial.cpu_caller_s < trial.wall_s
        assert trial.rss_caller_peak_mb < 300


def test_run_json_says_on_what_and_how_well_it_was_measured(run):
    info = json.loads((run.path / "run.json").read_text())
    assert info["machine"]["packages"]["pipecat-ai"] == "1.14.0"
    assert (info["calibration"]["heard"], info["calibration"]["sent"]) == (3, 3)
    assert info["calibration"]["max_error_ms"] < 20
    assert len(info["sessions"]) == 1
    assert "llm_ttft_ms = 300" in info["plan"]["presets"]["cascade-scripted"]
    assert info["plan"]["fixtures"].keys() == {"greet_hello", "hello_thanks"}


def test_the_user_of_a_conversation_waits_for_the_agent_to_fall_silent(run):
    trial = next(t for t in run.trials if t.fixture == "hello_thanks" and not t.warmup)
    marks = run.marks(trial.trial_id)
    end = next(m.t_ns for m in marks if (m.stage, m.event) == ("ear", "agent_end"))
    start = next(
        m.t_ns for m in marks if (m.stage, m.event) == ("user", "turn_start") and m.turn == 1
    )
    one_sample_ns = 1_000_000_000 / 16_000
    assert abs(start - end - 800 * NS_PER_MS) <= one_sample_ns


def test_computing_the_metrics_again_gives_the_same_bytes(run):
    from bench.metrics.recompute import analyse

    before = (run.path / "metrics.parquet").read_bytes()
    analyse(run.path)
    assert (run.path / "metrics.parquet").read_bytes() == before


def test_a_folder_that_holds_a_run_is_not_written_into(run):
    plan = Plan((load_spec("cascade-scripted"),), (fixture("greet_hello"),), 1)
    with pytest.raises(LabError, match="already holds a run: resume it by --resume"):
        execute(plan, run.path, resume=False, watch=quiet)
    with pytest.raises(LabError, match="measured with other presets"):
        execute(plan, run.path, resume=True, watch=quiet)
