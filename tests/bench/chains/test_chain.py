"""The whole chain on the scripted presets, whose right answer is known."""

import json
import os
import signal
import threading
from dataclasses import replace

import psutil
import pytest

from bench.fixtures.library import Cue, fixtures_root, load
from bench.runner.plan import Plan
from bench.runner.run import RunStoppedError, execute
from bench.store import store
from bench.store.records import Status
from bench.timeline.lateness import with_lateness
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.spec import load_spec

pytestmark = pytest.mark.realtime

TOLERANCE_MS = 2.0

PLAYED = {"ok", "ruler_late"}
"""How a trial ends that was played: on a busy machine the harness may call itself too late, and
then leaves its own figures out; so do these tests."""


def fixture(name):
    return load(fixtures_root() / f"{name}.toml")


def two_turns():
    hello, thanks = fixture("greet_hello"), fixture("greet_thanks")
    second = replace(thanks.turns[0], cue=Cue("agent_end", 800))
    return replace(hello, name="hello_thanks", turns=(hello.turns[0], second))


def quiet(_progress):
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run of both scripted presets, a single and a conversation."""
    folder = tmp_path_factory.mktemp("runs") / "scripted"
    specs = tuple(map(load_spec, ("cascade-scripted", "cascade-scripted-random")))
    plan = Plan(specs, (fixture("greet_hello"), two_turns()), 1)
    assert execute(plan, folder, resume=False, watch=quiet, retries=4) == 0
    return store.read_run(folder)


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


@pytest.mark.parametrize("preset", ["cascade-scripted", "cascade-scripted-random"])
def test_what_is_heard_is_the_script_plus_the_lateness_that_was_stamped(run, preset):
    found = list(turns_of(run, preset))
    assert found, "the ruler was late in every trial: the machine is too busy to measure"
    for due, done, values, u_off in found:
        script_ms = ms(due["tts.first_byte"], u_off)
        lateness_ms = ms(done["link.write"], due["tts.first_byte"])
        assert values["voice_to_voice"] == pytest.approx(script_ms + lateness_ms, abs=TOLERANCE_MS)


@pytest.mark.parametrize("preset", ["cascade-scripted", "cascade-scripted-random"])
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
    for preset in ("cascade-scripted", "cascade-scripted-random"):
        for _, _, values, _ in turns_of(run, preset):
            parts = [
                values[n] for n in ("endpointing_delay", "llm_to_clause", "tts_ttfa", "output")
            ]
            assert sum(parts) + values["residual"] == pytest.approx(
                values["voice_to_voice"], abs=0.001
            )


def test_every_trial_is_whole_on_disk(run):
    late = [t for t in run.trials if t.status == "ruler_late" and not t.warmup]
    again = [t for t in run.trials if t.repeat > 0]
    assert len(run.trials) - len(again) == 6
    assert len(again) <= len(late)  # each stands for one whose ruler was late
    assert {t.status for t in run.trials} <= PLAYED
    assert sum(t.warmup for t in run.trials) == 2
    for trial in run.trials:
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
    assert (info["calibration"]["heard"], info["calibration"]["sent"]) == (20, 20)
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


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A run of three trials: in the first the agent is killed, in the third Ctrl-C is pressed; then
    it is gone on with. Gives its folder, and what it held when it had been stopped.
    """
    folder = tmp_path_factory.mktemp("runs") / "broken"
    plan = Plan((load_spec("cascade-scripted"),), (fixture("greet_hello"),), 3)

    def harm(progress):
        if progress.done == 0 and "·" in progress.text:
            threading.Timer(1.5, _kill_agent, [folder]).start()
        elif progress.done == 2:
            threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.runner.run.CLICKS_PER_RUN", 3)
        # A shell that puts the tests into the background lets them ignore Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(RunStoppedError, match=r"2 of 3 trials are done and kept.* --resume"):
            execute(plan, folder, resume=False, watch=harm)
        signal.signal(signal.SIGINT, before)
        stopped = store.read_run(folder)
        assert execute(plan, folder, resume=True, watch=quiet) == 1
    return folder, stopped


def _kill_agent(folder):
    """By the pid that it stamped on its marks in the warm-up."""
    marks = store.read_run(folder).marks("cascade-scripted.greet_hello.warmup0")
    psutil.Process(next(m.pid for m in marks if m.event == "write")).kill()


def test_an_agent_killed_in_mid_trial_is_a_row_and_the_run_goes_on(broken):
    run = store.read_run(broken[0])
    dead = run.trial("cascade-scripted.greet_hello.0")
    assert (dead.status, dead.error) == (
        "error",
        "the agent process was killed by signal 9 (SIGKILL)",
    )
    assert run.trial("cascade-scripted.greet_hello.1").status in PLAYED
    assert run.recording(dead) is not None  # what was heard until then is kept
    row = next(
        r
        for r in store.read_metrics(run.path)
        if r.trial_id == dead.trial_id and r.metric == "voice_to_voice"
    )
    assert row.value is None and row.reason


def test_ctrl_c_keeps_what_is_done_and_resume_does_only_the_rest(broken):
    folder, stopped = broken
    kept = {f"cascade-scripted.greet_hello.{last}" for last in ("warmup0", "0", "1")}
    assert {trial.trial_id for trial in stopped.trials} == kept
    run = store.read_run(folder)
    assert store.done_trials(folder) == kept | {
        "cascade-scripted.greet_hello.2",
        "cascade-scripted.greet_hello.warmup1",
    }
    assert run.trial("cascade-scripted.greet_hello.2").status in PLAYED
    for trial in stopped.trials:
        assert run.trial(trial.trial_id) == trial
        assert run.marks(trial.trial_id) == stopped.marks(trial.trial_id)
    assert len(run.info["sessions"]) == 2


def test_a_trial_whose_ruler_was_late_stays_and_another_is_played(tmp_path, monkeypatch):
    plan = Plan((load_spec("cascade-scripted"),), (fixture("greet_hello"),), 1)
    folder, told = tmp_path / "run", []
    judge = with_lateness

    def late_at_first(trial, marks, recording):
        status: Status = "ruler_late" if trial.repeat == 0 and not trial.warmup else "ok"
        return replace(judge(trial, marks, recording), status=status)

    monkeypatch.setattr("bench.runner.session.with_lateness", late_at_first)
    monkeypatch.setattr("bench.runner.run.CLICKS_PER_RUN", 3)

    def watch(progress):
        told.append(progress.text)

    assert execute(plan, folder, resume=False, watch=watch, retries=2) == 0
    statuses = store.statuses(folder)
    del statuses["cascade-scripted.greet_hello.warmup0"]
    assert statuses == {
        "cascade-scripted.greet_hello.0": "ruler_late",
        "cascade-scripted.greet_hello.1": "ok",
    }
    assert "cascade-scripted · greet_hello · again, the ruler was late" in told
