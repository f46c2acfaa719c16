"""The whole chain in real time on a scripted duplex model, whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.agent.process import AgentProcess
from bench.fixtures.library import fixtures_root, load
from bench.runner.trial import caller_plan, play
from bench.store.records import Trial
from bench.timeline.replies import ending, reply_at
from bench.timeline.timeline import reconstruct
from pipelines.clock import NS_PER_MS
from tests.bench.chains.scripted_duplex import preset, values

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def trial(caller):
    """One conversation at 16 kHz with a barge-in, of a model of 60 ms: (row, marks, recording)."""
    spec, fixture = preset(60, 0, in_rate_hz=16_000), load(fixtures_root() / "barge_in_stop.toml")
    plan = caller_plan("t", spec, fixture)
    row = Trial("r", "t", spec.name, fixture.name, 0, 0, 0, 2, weights="scripted", kind="duplex")
    agent = AgentProcess(spec)
    try:
        agent.ask("prepare")
        assert agent.wait(60).error is None
        outcome = play(row, spec, plan, caller, agent)
        for _ in range(2):  # as `run --retries` does: the machine took the ruler's time away
            if outcome.trial.status == "ruler_late":
                outcome = play(row, spec, plan, caller, agent)
    finally:
        agent.stop()
    assert outcome.trial.status in ("ok", "ruler_late"), outcome.trial.error
    return outcome.trial, outcome.marks, outcome.recording


def test_no_frame_is_lost_or_doubled_on_its_way(trial):
    _, marks, _ = trial
    handed = values(marks, "handed")
    assert handed == list(range(len(handed))) and len(handed) > 60
    done = values(marks, "done")
    assert len(handed) - 2 <= len(done)  # the last was on its way when the caller hung up
    for event in ("frame_in", "ready", "start", "stepped", "done", "frame_out"):
        assert sorted(values(marks, event))[: len(done)] == list(range(len(done))), event
    written = [m.value for m in marks if (m.stage, m.event) == ("link", "write")]
    assert written == [1920 * i for i in range(len(written))]
    assert len(done) - 1 <= len(written) <= len(done)


def test_nothing_interrupts_a_duplex_model_though_both_speak_at_once(trial):
    row, marks, recording = trial
    events = {(m.stage, m.event) for m in marks}
    assert ("turn", "interruption") not in events
    assert not {("link", "clear"), ("ear", "cleared")} & events
    both = np.abs(recording.astype(np.int32)).min(axis=1) > 300
    assert both.sum() > 0.05 * row.rate_hz


def test_pipecats_observers_know_when_user_and_agent_speak(trial):
    _, marks, _ = trial
    told = [f"{m.stage}.{m.event}" for m in marks if m.stage in ("vad", "pipecat")]
    assert told.count("vad.speech_start") >= 2 and told.count("vad.speech_stop") >= 1
    assert told.count("pipecat.bot_started") >= 1


def test_it_is_heard_when_the_script_says_plus_what_was_stamped_on_the_way(trial):
    row, marks, recording = trial
    timeline = reconstruct(row, marks, recording)
    first = timeline.turn(0)
    assert first is not None and first.a_on_ns is not None
    v2v_ms = (first.a_on_ns - first.u_off_ns) / NS_PER_MS
    # The resampler's 2 ms; the added time of the frames; what late frames left in the ear's queue.
    script_ms = 200 + 80 + 60 + 2
    late_ms = _latest_frame_ms(row, marks, first.a_on_ns)
    assert script_ms - 2 <= v2v_ms <= script_ms + late_ms + 2


def test_it_yields_in_the_frame_that_the_script_says_and_reports_what_it_left_unsaid(trial):
    row, marks, recording = trial
    timeline = reconstruct(row, marks, recording)
    second = timeline.turn(1)
    (yielded,) = [m for m in marks if (m.stage, m.event) == ("duplex", "yielded")]
    # Heard for 200 ms at the end of some frame, then 60 ms of computing; 2 ms in the resampler.
    decided_ms = (yielded.t_ns - second.u_on_ns) / NS_PER_MS
    late_ms = _latest_frame_ms(row, marks, yielded.t_ns)
    assert 200 + 60 <= decided_ms <= 200 + 80 + 60 + 2 + late_ms
    reply = reply_at(timeline, second.u_on_ns)
    assert reply is not None and ending(timeline, reply, second.u_on_ns).stopped
    assert reply.end_ns <= yielded.t_ns + (late_ms + 5) * NS_PER_MS
    said_ms = (yielded.t_ns - reply.start_ns) / NS_PER_MS
    # It is heard from 140 ms after a frame begins on; the phrase lasts some two seconds.
    assert 1500 < said_ms + yielded.value < 2500


def _latest_frame_ms(row, marks, before_ns):
    """How late the latest frame was, against 80 ms of hearing and 60 of computing."""
    late = []
    for m in marks:
        if (m.stage, m.event) == ("ear", "received") and m.t_ns <= before_ns:
            frame = int(m.request_id.partition(":")[2])
            late.append(m.t_ns - row.t0_ns - (80 * (frame + 1) + 60) * NS_PER_MS)
    return max(late) / NS_PER_MS


def test_the_hold_back_and_the_words_are_reported(trial):
    _, marks, _ = trial
    assert [m.value for m in marks if m.event == "hold_back"] == [2.0]
    answers = [m.text for m in marks if (m.stage, m.event) == ("agent", "answer_text")]
    assert answers and answers[-1] == "All right, I am on my way to you now."
