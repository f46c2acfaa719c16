"""The line by WebRTC: its codec and its arithmetic without a socket, then real calls by aiortc."""

import importlib.util
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest

from bench.caller.call import call
from bench.caller.connection import Direct
from bench.caller.conversation import Conversation
from bench.caller.network import NetworkConnection
from bench.caller.plan import CallerPlan, CallerTurn
from bench.lines.fakes import webrtc as fake
from bench.lines.line import (
    Audio,
    Bye,
    Chunk,
    Clear,
    Fact,
    LineChoice,
    LineError,
    Ready,
    Sent,
    Words,
)
from bench.lines.rtc.jitter import DelayWatch, SilenceTrimmer
from bench.lines.rtc.messages import Decoder, Kind, Message
from bench.lines.rtc.order import Order
from bench.lines.webrtc import WebRtc
from pipelines.clock import FakeClock
from pipelines.network.conditions import OWN, Direction, Network
from pipelines.wires import rtvi

MS = 1_000_000
FRAME = 960
"""Samples of 20 ms."""
LOUD, SILENT = np.full(FRAME, 5000, np.int16), np.full(FRAME, 3, np.int16)


def line(**options):
    return WebRtc("http://127.0.0.1:7860", **options)


def sound(pcm, position, at_ms):
    return Message(Kind.SOUND, position, at_ms * MS, pcm.tobytes()).encode()


def text(message):
    return Message(Kind.TEXT, payload=json.dumps(message).encode()).encode()


# The codec


def test_the_order_names_the_runners_own_path_where_the_address_has_none():
    (message,) = Decoder().feed(line(request_data={"who": "me"}).hello())
    order = Order.decode(message.payload)
    assert (message.kind, order.url) == (Kind.CALL, "http://127.0.0.1:7860/api/offer")
    assert order.request_data == {"who": "me"}


def test_the_bot_is_greeted_once_the_connection_is_up_unless_it_has_no_rtvi():
    greeting, silent = line(), line(rtvi=False)
    for one in (greeting, silent):
        assert one.feed(Message(Kind.READY).encode()) == [Ready(48_000)]
    (message,) = Decoder().feed(greeting.owed())
    assert json.loads(message.payload)["type"] == "client-ready"
    assert silent.owed() == b""


def test_a_chunk_goes_to_the_microphone_and_its_leaving_is_reported():
    one = line()
    (message,) = Decoder().feed(one.encode(Chunk(7, 160 * MS, LOUD)))
    assert (message.kind, message.a, message.payload) == (Kind.MIC, 7, LOUD.tobytes())
    assert one.reports_sent
    assert one.feed(Message(Kind.SENT, 7, 161 * MS).encode()) == [Sent(7, 161 * MS)]


def test_audio_has_the_time_at_which_the_track_gave_it():
    one = line()
    one.encode(Chunk(0, 20 * MS, SILENT))
    data = sound(LOUD, 0, 30)
    assert one.feed(data[:9]) == []
    (audio,) = one.feed(data[9:])
    assert isinstance(audio, Audio)
    assert (audio.at_ns, audio.generation, len(audio.pcm)) == (30 * MS, 0, FRAME)


def test_rtvi_on_the_data_channel_clears_and_reports_words():
    one = line()
    assert one.feed(text(rtvi.message("bot-interrupted", {}, "1"))) == [Clear(1)]
    said = rtvi.message("bot-llm-text", {"text": "Hi"}, "2")
    assert one.feed(text(said)) == [Words("agent", "Hi")]
    heard = rtvi.message("user-transcription", {"text": "hello", "final": True}, "3")
    assert one.feed(text(heard)) == [Words("user", "hello")]
    assert one.feed(text({"type": "signalling", "message": {"type": "peerLeft"}})) == [Bye()]
    for other in ("[]", "hello", '{"type": "signalling", "message": {"type": "renegotiate"}}'):
        assert one.feed(Message(Kind.TEXT, payload=other.encode()).encode()) == []


def test_what_fails_is_one_sentence_and_lost_packets_are_a_fact():
    with pytest.raises(LineError, match="refuses the offer"):
        line().feed(Message(Kind.FAILED, payload=b"x refuses the offer").encode())
    assert line().feed(Message(Kind.LOST, 3).encode()) == [Fact("lost_by_agent", 3)]
    assert line().feed(Message(Kind.OVER).encode()) == [Bye()]


@pytest.mark.parametrize("url", ["ws://127.0.0.1:7860/api/offer", "127.0.0.1:7860", "http://"])
def test_an_address_that_takes_no_offer_is_one_sentence(url):
    with pytest.raises(LineError, match=r"takes no offer: give an address like http://"):
        WebRtc(url)


def test_without_aiortc_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LineError, match=r"install the extra duplex-lab\[webrtc\]"):
        line()


# The jitter buffer's arithmetic


def test_silence_is_cut_by_what_is_queued_and_speech_never():
    trimmer = SilenceTrimmer(48_000)
    trimmer.begin(0)
    assert len(trimmer.take(LOUD, 10 * MS)) == FRAME  # heard from 10 to 30 ms
    assert len(trimmer.take(LOUD, 25 * MS)) == FRAME  # 5 ms early: heard from 30 to 50 ms
    assert len(trimmer.take(SILENT, 45 * MS)) == FRAME - 5 * 48  # ends at 65 ms
    assert len(trimmer.take(SILENT, 65 * MS)) == FRAME
    assert len(trimmer.take(SILENT, 65 * MS)) == 0  # all of it is queued already
    assert len(trimmer.take(SILENT, 300 * MS)) == FRAME


def test_silence_before_the_recording_is_dropped_and_a_greeting_is_heard_from_its_start():
    trimmer = SilenceTrimmer(48_000)
    assert len(trimmer.take(SILENT, -90 * MS)) == 0
    assert len(trimmer.take(LOUD, -70 * MS)) == FRAME
    trimmer.begin(0)
    assert len(trimmer.take(SILENT, 5 * MS)) == FRAME - 15 * 48


def test_a_steady_stream_shows_nothing_whatever_its_jitter():
    watch, rng = DelayWatch(48_000), np.random.default_rng(0)
    for k in range(500):
        assert watch.take(k * FRAME, FRAME, int((20 * k + rng.uniform(0, 35)) * MS)) == []


def test_lost_audio_and_a_lag_that_stays_are_facts_and_a_stall_is_none():
    watch = DelayWatch(48_000)
    found = []
    for k in range(300):
        if 100 <= k < 105:
            continue  # five frames are gone
        late_ms = 200 if k >= 105 else 150 if 60 <= k < 70 else 0
        found += watch.take(k * FRAME, FRAME, (20 * k + late_ms) * MS)
    assert found == [("audio_lost", 100.0), ("lag", 200.0)]


class InTime(Direct):
    """The process that speaks WebRTC, and a bot, in virtual time: chunks leave as they come."""

    def __init__(self, line, clock):
        self.line, self._clock, self._decoder = line, clock, Decoder()
        self._back = b""

    def send(self, data):
        for message in self._decoder.feed(data):
            if message.kind is Kind.MIC:
                self._back += Message(Kind.SENT, message.a, self._clock()).encode()
                if message.a == 40:
                    self._back += sound(np.tile(LOUD, 5), 0, self._clock() // MS)

    def listen(self, until_ns):
        if not self._back:
            self._clock.advance(max(0, until_ns - self._clock()))
        data, self._back = self._back, b""
        return self.line.feed(data), self._clock()

    def hang_up(self):
        """Nothing is left."""


def test_a_simulated_network_is_not_the_callers_lateness_and_delays_both_ways():
    clock = FakeClock()
    network = Network(OWN, Direction(delay_ms=70), Direction(delay_ms=40))
    connection = NetworkConnection(
        lambda codec: InTime(codec, clock), line(), network, "seed", is_stream=False, clock=clock
    )
    conversation = Conversation(CallerPlan("t", 48_000, (turn(),), 10.0), connection, 48_000, clock)
    conversation.run()
    result = conversation.result()
    sent = [m for m in result.marks if m.event == "chunk_sent"]
    assert {m.t_ns - result.t0_ns - (int(m.value) + 1) * 20 * MS for m in sent} == {0}
    onset = next(m for m in result.marks if m.event == "agent_onset")
    assert onset.t_ns - result.t0_ns == (41 * 20 + 70 + 40) * MS


# Real calls


def turn(length_s=0.4, wait_s=0.3):
    end = int(48_000 * length_s)
    pcm = np.zeros(end, np.int16)
    pcm[end - 4_800 :] = 5000
    return CallerTurn(pcm, end - 4_800, end, "start", 0.0, timeout_s=2.0, wait_s=wait_s)


def facts(result):
    return [(m.event, m.value) for m in result.marks if m.event in ("audio_lost", "lag")]


@pytest.mark.realtime
@pytest.mark.parametrize("loses", [False, True])
def test_one_lost_packet_leaves_aiortcs_buffer_200_ms_late_and_that_is_said(loses):
    peers = []
    tone = (8000 * np.sin(np.arange(FRAME * 5) / 20)).astype(np.int16)

    def play(agent):
        peers.append(agent)
        agent.say(rtvi.message("bot-llm-text", {"text": "a tone"}, "1"))
        agent.wait_for_chunk(55)
        if loses:
            agent.lose_packet()
        agent.wait_for_chunk(105)
        agent.speak(tone.tobytes())
        agent.wait_for_chunk(10**6)

    with fake.serving(play) as url:
        plan = CallerPlan("t", 48_000, (turn(1.9),), 10.0, line=LineChoice("webrtc", url))
        result = call(plan, None, lambda word: None)
    assert (result.status, result.error) == ("ok", None)
    assert [m.text for m in result.marks if m.event == "agent_text"] == ["a tone"]
    assert peers[0].pings >= 2
    assert json.loads(peers[0].messages[0])["type"] == "client-ready"
    found = facts(result)
    if not loses:
        assert found == []
        return
    (lost, lost_ms), (lag, lag_ms) = found
    assert (lost, lag) == ("audio_lost", "lag")
    assert lost_ms == pytest.approx(100, abs=21) and lag_ms == pytest.approx(200, abs=45)


class Refuses(BaseHTTPRequestHandler):
    """Answers every offer by the status that its path names."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.strip("/"))
        body = b"[]"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keeps quiet."""


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("404", r"/404 refuses the offer: HTTP 404"),
        ("401", r"refuses the offer: HTTP 401 Unauthorized \(see --header-from-env\)"),
        ("200", r"answered the offer with list"),
        (None, r"no agent answers at http://127\.0\.0\.1:\d+/api/offer: "),
    ],
)
def test_a_peer_that_takes_no_call_is_one_sentence(path, sentence):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
    url = f"http://127.0.0.1:{server.server_address[1]}/{path or 'api/offer'}"
    serving = Thread(target=server.serve_forever)
    serving.start()
    if path is None:
        server.shutdown()
        server.server_close()
    try:
        plan = CallerPlan("t", 48_000, (turn(),), 10.0, line=LineChoice("webrtc", url))
        result = call(plan, None, lambda word: None)
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
    assert result.status == "error"
    assert re.search(sentence, result.error)
