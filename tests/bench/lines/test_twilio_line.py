"""The line of Twilio's media streams: bytes in, events out; no socket needed."""

import base64

import numpy as np
import pytest

from bench.lines.fakes.server import Server
from bench.lines.line import Chunk, Clear, LineError, Ready
from bench.lines.twilio import Twilio
from pipelines.wires import g711


@pytest.fixture
def talk():
    line, server = Twilio("ws://127.0.0.1:1/ws", parameters={"room": "7"}), Server()
    assert server.accept(line) == [Ready(8_000)]
    return line, server


def test_the_call_opens_as_twilio_opens_it(talk):
    line, server = talk
    first, second = server.take_json(line.owed())
    assert first == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert second["start"]["customParameters"] == {"room": "7"}
    assert second["streamSid"] == second["start"]["streamSid"]
    assert second["start"]["mediaFormat"]["sampleRate"] == 8000


def test_a_chunk_is_20_ms_of_mu_law_with_its_number(talk):
    line, server = talk
    line.owed()
    server.take(b"")
    line, server = Twilio("ws://127.0.0.1:1/ws"), Server()
    server.accept(line)
    server.take(line.owed())
    (sent,) = server.take_json(line.encode(Chunk(4, 0, np.zeros(160, np.int16))))
    assert sent["media"]["chunk"] == "5"
    assert sent["media"]["timestamp"] == "80"
    assert base64.b64decode(sent["media"]["payload"]) == 160 * b"\xff"


def test_a_mark_is_echoed_when_the_audio_before_it_was_heard_and_not_sooner(talk):
    line, server = talk
    server.take(line.owed())
    payload = base64.b64encode(g711.encode(np.full(160, 1000, np.int16))).decode()
    (audio,) = server.say(line, {"event": "media", "media": {"payload": payload}})
    assert audio.pcm.tolist() == 160 * [988]
    assert server.say(line, {"event": "mark", "mark": {"name": "end"}}) == []
    assert line.played(159) == b""
    (echo,) = server.take_json(line.played(160))
    assert echo["mark"] == {"name": "end"}
    assert line.played(160) == b""


def test_a_clear_drops_what_was_not_heard_and_its_marks_come_back(talk):
    line, server = talk
    server.take(line.owed())
    server.say(line, {"event": "media", "media": {"payload": "////"}})
    server.say(line, {"event": "mark", "mark": {"name": "end"}})
    assert server.say(line, {"event": "clear"}) == [Clear(1)]
    assert len(server.take_json(line.played(3))) == 1


def test_the_caller_stops_the_stream_before_it_closes(talk):
    line, server = talk
    server.take(line.owed())
    stop, _ = server.take(line.bye())
    assert b'"event":"stop"' in stop.data
    assert server.protocol.close_rcvd.code == 1000


def test_a_binary_message_is_of_another_protocol(talk):
    line, server = talk
    with pytest.raises(LineError, match="a binary message arrived"):
        server.say(line, b"\x00\x00")
