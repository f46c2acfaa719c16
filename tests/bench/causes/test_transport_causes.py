"""What a transport does to a call: each by a small peer that does it, and by one that does not.

The peers speak through the real codecs of their lines; the conversation plays in virtual time.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
import sphn

from bench.caller.conversation import START_DELAY_NS, Conversation
from bench.caller.doubles import VirtualConnection
from bench.caller.plan import CallerPlan, CallerTurn
from bench.fixtures.labels import labels_of
from bench.lines.fakes.server import Server
from bench.lines.line import Event
from bench.lines.moshi import Moshi
from bench.lines.pipecat import Pipecat
from bench.lines.rtc.messages import Kind, Message
from bench.lines.twilio import Twilio
from bench.lines.webrtc import WebRtc
from bench.metrics.compute import trial_with_causes
from bench.runner.trial import stereo_of
from bench.store.records import Trial
from pipelines.audio.resample import resample
from pipelines.clock import FakeClock
from pipelines.marks import stamp
from pipelines.wires import g711, pipecat_frames
from tests.bench.chains.virtual_call import kitchen

MS = 1_000_000
T0_MS = START_DELAY_NS // MS
ANSWER_MS = 700
"""Time after t0 at which a peer begins to answer: 400 ms after the user's end."""
Script = list[tuple[float, list[Event]]]
"""What arrives, and when: ms after t0."""


def noise(ms: float, rate_hz: int) -> np.ndarray:
    """Sound of all frequencies, (n,) int16."""
    rng = np.random.default_rng(1)
    return rng.normal(0, 4000, int(ms * rate_hz / 1000)).astype(np.int16)


def causes(line: str, rate_hz: int, script: Script) -> dict[str, Any]:
    """Name of each cause that a call shows → its row."""
    pcm = np.zeros(6400, np.int16)
    pcm[1600:4800] = 5000
    turn = CallerTurn(pcm, 1600, 4800, "start", 0.0, timeout_s=5.0)
    clock = FakeClock()
    arrivals = [(round((T0_MS + ms) * MS), event) for ms, events in script for event in events]
    connection = VirtualConnection(clock, arrivals)
    conversation = Conversation(CallerPlan("t", 16_000, (turn,), 20.0), connection, rate_hz, clock)
    conversation.run()
    result = conversation.result()
    assert result.status == "ok"
    marks = [stamp("line", "dialled", t_ns=0, text=line), *result.marks]
    fixture = kitchen()
    trial = Trial("run", "t", line, fixture.name, 0, result.t0_ns, result.rate_hz, 1, kind="remote")
    found = trial_with_causes(trial, marks, stereo_of(result, 16_000), labels_of(fixture))
    return {row.cause: row for row in found.causes}


# Twilio


@pytest.mark.parametrize(("payload", "is_named"), [(1_100, True), (758, True), (320, False)])
def test_payloads_of_a_resamplers_block_are_named_with_the_rate_behind_them(payload, is_named):
    line, server = Twilio("ws://127.0.0.1:1/ws"), Server()
    server.accept(line)
    script: Script = []
    codes = g711.encode(noise(1_100, 8_000))
    for at in range(0, len(codes) - payload, payload):
        media = {"payload": base64.b64encode(codes[at : at + payload]).decode()}
        events = server.say(line, {"event": "media", "media": media})
        script.append((ANSWER_MS + at / 8, events))
    found = causes("twilio", 8_000, script).get("payloads_in_bursts")
    assert (found is not None) == is_named
    if payload == 1_100:
        assert found.lost_ms == 137.5 - 40
        assert found.detail == "payloads of 1,100 bytes: the output is at 24,000 Hz"


# Pipecat's WebSocket


@pytest.mark.parametrize(("channels", "every_ms"), [(2, 80), (2, 40), (1, 80)])
def test_stereo_at_half_speed_is_named_and_neither_of_the_two_alone_is(channels, every_ms):
    line, server = Pipecat("ws://127.0.0.1:1/ws-client"), Server()
    server.accept(line)
    sound = noise(40, 24_000)
    script: Script = []
    for k in range(20):
        frame = pipecat_frames._frame_class()()
        frame.audio.audio = np.repeat(sound, channels).tobytes()
        frame.audio.sample_rate, frame.audio.num_channels = 24_000, channels
        events = server.say(line, bytes(frame.SerializeToString()))
        script.append((ANSWER_MS + every_ms * k, events))
    found = causes("pipecat", 24_000, script).get("stereo_at_half_speed")
    assert (found is not None) == (channels == 2 and every_ms == 80)
    if found is not None:
        assert found.lost_ms == pytest.approx(19 * 40, abs=1)
        assert (found.detail, found.loses) == ("40 ms of sound every 80 ms", "figure")


# Moshi's


@pytest.mark.parametrize("at_once", [True, False])
def test_a_pre_skip_that_says_too_much_is_named_where_sound_lies_within_it(at_once):
    line, server = Moshi("ws://127.0.0.1:1/api/chat"), Server()
    server.accept(line)
    server.say(line, b"\x00")
    writer = sphn.OpusStreamWriter(24_000)
    sound = noise(800, 24_000).astype(np.float32) / 32_768
    pcm = sound if at_once else np.concatenate((np.zeros(4_800, np.float32), sound))
    script: Script = []
    for k in range(len(pcm) // 1_920):
        page = writer.append_pcm(np.ascontiguousarray(pcm[k * 1_920 : (k + 1) * 1_920]))
        script.append((ANSWER_MS + 80 * k, server.say(line, b"\x01" + page)))
    found = causes("moshi", 24_000, script).get("pre_skip")
    assert (found is not None) == at_once
    if found is not None:
        assert found.lost_ms == pytest.approx(80 - 6.5, abs=1.0)
        assert found.detail == "80 ms said, 6.5 true"


# WebRTC


def webrtc(pcm: np.ndarray, lost: range = range(0), lag_ms: int = 0) -> Script:
    """A track that goes on from the call's first frame: silence, then sound from its answer on."""
    line = WebRtc("http://127.0.0.1:1", rtvi=False)
    silence = np.zeros(960, np.int16)
    first = 110  # frames of silence
    script: Script = []
    for k in range(first + len(pcm) // 960):
        if k in lost:
            continue
        at_ms = 20 * k - 900 + (lag_ms if k >= lost.stop > 0 else 0)
        at = (k - first) * 960
        frame = pcm[at : at + 960] if k >= first else silence
        at_ns = round((T0_MS + at_ms) * MS)
        events = line.feed(Message(Kind.SOUND, 960 * k, at_ns, frame.tobytes()).encode())
        if at_ms >= 0:
            script.append((at_ms, events))
    return script


def at_rate(rate_hz: int) -> np.ndarray:
    return resample(noise(1_200, rate_hz), rate_hz, 48_000)


def test_a_lag_that_a_lost_packet_left_is_named_and_a_call_without_loss_has_none():
    healthy = causes("webrtc", 48_000, webrtc(at_rate(48_000)))
    found = causes("webrtc", 48_000, webrtc(at_rate(48_000), range(52, 57), 200))
    row = found["lag_after_loss"]
    assert (row.lost_ms, row.detail) == (200.0, "100 ms of audio never came in this call")
    assert "lag_after_loss" not in healthy


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 24_000])
def test_a_track_below_48_khz_is_known_by_the_edge_of_its_spectrum(rate_hz):
    row = causes("webrtc", 48_000, webrtc(at_rate(rate_hz)))["slow_track"]
    assert (row.lost_ms, row.detail) == (10.0, f"nothing above {rate_hz / 2000:g} kHz")


def test_a_track_at_48_khz_has_no_edge():
    assert "slow_track" not in causes("webrtc", 48_000, webrtc(at_rate(48_000)))
