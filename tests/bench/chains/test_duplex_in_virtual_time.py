"""A scripted duplex model in virtual time: what is heard is the script, to a sample."""

import numpy as np
import pytest

from bench.fixtures.library import fixtures_root, load
from bench.timeline.replies import ending, reply_at
from bench.timeline.timeline import reconstruct
from pipelines.clock import NS_PER_MS
from tests.bench.chains.scripted_duplex import preset, values
from tests.bench.chains.virtual_call import call_preset, prepared

HEARS_MS, FRAME_MS, WORKS_MS = 200, 80, 60
"""Silence, or speech, after which the model begins, or yields; a frame; its work on one."""
RESAMPLER_MS = 2.0
"""What the way from 16 to 24 kHz holds back."""


@pytest.fixture(scope="module")
def called():
    """One conversation at 16 kHz with a barge-in, of a model of 60 ms."""
    spec = preset(WORKS_MS, 0, in_rate_hz=16_000)
    return call_preset(spec, load(fixtures_root() / "barge_in_stop.toml"))


def test_each_frame_is_answered_once_and_in_its_time(called):
    assert (called.trial.status, called.trial.error) == ("ok", None)
    handed, done = values(called.marks, "handed"), values(called.marks, "done")
    assert handed == list(range(len(handed))) and len(handed) > 60
    assert done == handed[: len(done)] and len(done) >= len(handed) - 1
    started_ns = called.times("duplex", "start")[: len(done)]
    steps_ns = np.subtract(called.times("duplex", "done"), started_ns)
    assert set(steps_ns / NS_PER_MS) == {WORKS_MS}


def test_it_answers_when_the_script_says(called):
    heard_ms = HEARS_MS + FRAME_MS + WORKS_MS + RESAMPLER_MS
    assert called.ms("voice_to_voice") == pytest.approx(heard_ms, abs=0.2)


def test_it_yields_in_the_frame_that_the_script_says(called):
    timeline = reconstruct(called.trial, called.marks, called.recording)
    second = timeline.turn(1)
    (yielded_ns,) = called.times("duplex", "yielded")
    decided_ms = (yielded_ns - second.u_on_ns) / NS_PER_MS
    least_ms = HEARS_MS + WORKS_MS
    assert least_ms <= decided_ms <= least_ms + FRAME_MS + RESAMPLER_MS
    reply = reply_at(timeline, second.u_on_ns)
    assert ending(timeline, reply, second.u_on_ns).stopped
    assert reply.end_ns <= yielded_ns + NS_PER_MS
    (unsaid,) = (m.value for m in called.marks if m.event == "yielded")
    said_ms = (yielded_ns - reply.start_ns) / NS_PER_MS
    assert 1500 < said_ms + unsaid < 2500  # the phrase lasts some two seconds


def test_a_model_of_86_ms_is_measured_unpaced_once_when_it_starts():
    first, again = prepared(preset(86, 25), 2)
    done = [m.t_ns for m in first if (m.stage, m.event) == ("duplex", "done")]
    assert {m.request_id[:8] for m in first if m.stage == "duplex"} == {"unpaced-"}
    assert len(done) == 25
    assert set(np.diff(done) / NS_PER_MS) == {86}
    assert not [m for m in again if m.stage == "duplex"]
