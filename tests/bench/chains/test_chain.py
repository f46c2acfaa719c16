"""The whole chain in real time on a scripted preset, whose right answer is known."""

import json

import pytest

from pipelines.clock import NS_PER_MS
from tests.bench.chains.real_runs import CONVERSATION, PLAYED, SCRIPTED
from tests.bench.chains.scripted_turns import ms, turns_of

pytestmark = pytest.mark.realtime

TOLERANCE_MS = 2.0


@pytest.fixture(scope="module")
def run(scripted):
    """One conversation of a scripted preset."""
    return scripted.run


def test_what_is_heard_is_the_script_plus_the_lateness_that_was_stamped(run):
    found = list(turns_of(run, SCRIPTED))
    assert found, "the ruler was late in every trial: the machine is too busy to measure"
    for due, done, values, u_off in found:
        script_ms = ms(due["tts.first_byte"], u_off)
        lateness_ms = ms(done["link.write"], due["tts.first_byte"])
        assert values["voice_to_voice"] == pytest.approx(script_ms + lateness_ms, abs=TOLERANCE_MS)


def test_each_stage_is_read_back_as_scripted_plus_the_lateness_that_was_stamped(run):
    # Stage: (its deadline, the mark that ends it, where it counts from, the mark that begins it).
    stages = {
        "endpointing_delay": ("stt.final", "turn.release", "user.speech_off", "user.speech_off"),
        "llm_to_clause": ("llm.to_tts", "llm.to_tts", "stt.final", "llm.request"),
        "tts_ttfb": ("tts.first_byte", "tts.first_byte", "llm.to_tts", "tts.request"),
    }
    for due, done, values, u_off in turns_of(run, SCRIPTED):
        due["user.speech_off"] = u_off
        for name, (deadline, end, since, begin) in stages.items():
            late_ms = ms(done[end], due[deadline]) - ms(done[begin], due[since])
            wanted_ms = ms(due[deadline], due[since]) + late_ms
            assert ms(done[end], due[deadline]) >= 0
            assert values[name] == pytest.approx(wanted_ms, abs=TOLERANCE_MS), name


def test_the_scripted_cascade_is_600_ms_of_which_the_turn_wait_holds_the_stt(run):
    for due, done, values, u_off in turns_of(run, SCRIPTED):
        scripted = {name: ms(t_ns, u_off) for name, t_ns in due.items()}
        assert scripted["vad.speech_stop"] == 30
        assert scripted["stt.final"] == 150
        assert scripted["llm.to_tts"] == 450
        assert scripted["tts.first_byte"] == 600
        assert values["stt_final"] == pytest.approx(ms(done["stt.final"], u_off), abs=0.001)
        tail_ms = ms(done["stt.final"], done["vad.speech_stop"])
        assert values["stt_tail"] == pytest.approx(tail_ms, abs=0.001)


def test_segments_and_gaps_add_up_to_what_was_heard(run):
    for _, _, values, _ in turns_of(run, SCRIPTED):
        parts = [values[n] for n in ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output")]
        assert sum(parts) + values["residual"] == pytest.approx(values["voice_to_voice"], abs=0.001)


def test_every_trial_is_whole_on_disk(run):
    trials = [t for t in run.trials if t.preset == SCRIPTED]
    assert {t.status for t in trials} <= PLAYED
    late = [t for t in trials if t.status == "ruler_late" and not t.warmup]
    again = [t for t in trials if t.repeat > 0]
    assert len(trials) - len(again) == 2
    assert len(again) <= len(late)  # each stands for one whose ruler was late
    assert sum(t.warmup for t in trials) == 1
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
    assert "llm_ttft_ms = 300" in info["plan"]["presets"][SCRIPTED]
    assert info["plan"]["fixtures"].keys() == {"greet_hello", CONVERSATION}


def test_the_user_of_a_conversation_waits_for_the_agent_to_fall_silent(run):
    trial = next(t for t in run.trials if t.fixture == CONVERSATION and not t.warmup)
    marks = run.marks(trial.trial_id)
    end = next(m.t_ns for m in marks if (m.stage, m.event) == ("ear", "agent_end"))
    start = next(
        m.t_ns for m in marks if (m.stage, m.event) == ("user", "turn_start") and m.turn == 1
    )
    one_sample_ns = 1_000_000_000 / 16_000
    assert abs(start - end - 800 * NS_PER_MS) <= one_sample_ns
