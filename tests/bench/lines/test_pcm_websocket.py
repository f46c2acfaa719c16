"""The line of raw PCM over a WebSocket: bytes in, events out; no socket needed."""

import numpy as np
import pytest

from bench.lines.fakes.server import Server
from bench.lines.line import Audio, Bye, Chunk, Clear, LineError, Ready, Words
from bench.lines.pcm_websocket import PcmWebSocket

URL = "ws://127.0.0.1:8765/talk"


@pytest.fixture
def talk():
    line, server = PcmWebSocket(URL, rate_hz=8_000), Server()
    assert server.accept(line) == [Ready(8_000)]
    return line, server


def test_a_chunk_is_one_binary_message_of_its_samples(talk):
    line, server = talk
    (frame,) = server.take(line.encode(Chunk(0, 0, np.array([1, -2, 300], np.int16))))
    assert frame.data == b"\x01\x00\xfe\xff\x2c\x01"


def test_audio_is_heard_however_the_bytes_were_split(talk):
    line, server = talk
    server.protocol.send_binary(np.array([7, -7], np.int16).tobytes())
    server.protocol.send_binary(np.array([9], np.int16).tobytes())
    events = [event for byte in server.give() for event in line.feed(bytes([byte]))]
    assert [(e.chunk_id, e.generation, e.pcm.tolist()) for e in events] == [
        ("g0:0", 0, [7, -7]),
        ("g0:1", 0, [9]),
    ]


def test_a_message_in_fragments_is_one_chunk_and_text_is_none(talk):
    line, server = talk
    server.protocol.send_text(b"hello")
    server.protocol.send_binary(b"\x01\x00", fin=False)
    server.protocol.send_continuation(b"\x02\x00", fin=True)
    (audio,) = line.feed(server.give())
    assert isinstance(audio, Audio)
    assert audio.pcm.tolist() == [1, 2]


def test_a_ping_is_answered(talk):
    line, server = talk
    server.protocol.send_ping(b"x")
    assert line.feed(server.give()) == []
    (pong,) = server.take(line.owed())
    assert pong.data == b"x"


def test_a_close_is_a_good_bye_with_its_reason(talk):
    line, server = talk
    server.protocol.send_close(1000, "that was all")
    assert line.feed(server.give()) == [Bye("that was all")]
    server.take(line.owed())
    assert server.protocol.close_rcvd.code == 1000  # as the protocol asks: the same code
    assert line.encode(Chunk(1, 0, np.zeros(4, np.int16))) == b""
    assert line.bye() == b""


def test_the_caller_hangs_up_by_a_normal_close(talk):
    line, server = talk
    server.take(line.bye())
    assert server.protocol.close_rcvd.code == 1000


def test_half_a_sample_is_refused(talk):
    line, server = talk
    with pytest.raises(LineError, match="half a sample"):
        server.say(line, b"\x00\x00\x00")


def test_a_server_that_refuses_is_named_with_its_answer():
    line, server = PcmWebSocket(URL), Server()
    server.take(line.hello())
    server.protocol.send_response(server.protocol.reject(403, "no token\n"))
    with pytest.raises(LineError, match=r"127\.0\.0\.1:8765/talk refuses .*HTTP 403"):
        line.feed(server.give())


def test_what_is_no_websocket_is_said():
    with pytest.raises(LineError, match="not the address of a WebSocket"):
        PcmWebSocket("http://127.0.0.1/")


MAP = """
hello = [{type = "start", rate = 16000}]
turn_over = [{type = "done"}]
[audio]
message = {type = "audio"}
data = "media.payload"
[[receive]]
when = {type = "audio"}
means = "audio"
data = "payload"
rate = "rate"
[[receive]]
when = {type = "say", "who.kind" = "bot"}
means = "agent_text"
data = "text"
[[receive]]
when = {type = "flush"}
means = "clear"
[[receive]]
when = {type = "bye"}
means = "end"
data = "why"
"""


def test_a_protocol_map_says_which_message_carries_what(tmp_path):
    (tmp_path / "map.toml").write_text(MAP)
    line, server = PcmWebSocket(URL, protocol_map=str(tmp_path / "map.toml")), Server()
    assert server.accept(line) == [Ready(24_000)]
    assert server.take_json(line.owed()) == [{"type": "start", "rate": 16_000}]
    chunk = Chunk(0, 0, np.array([1], np.int16))
    assert server.take_json(line.encode(chunk)) == [{"type": "audio", "media": {"payload": "AQA="}}]
    assert server.take_json(line.turn_over()) == [{"type": "done"}]
    (audio,) = server.say(line, {"type": "audio", "payload": "BwA=", "rate": 8_000})
    assert (audio.pcm.tolist(), audio.rate_hz, audio.generation) == ([7], 8_000, 0)
    said = {"type": "say", "who": {"kind": "bot"}, "text": "Hello"}
    assert server.say(line, said) == [Words("agent", "Hello")]
    assert server.say(line, {"type": "say", "who": {"kind": "user"}}) == []
    assert server.say(line, {"type": "flush"}) == [Clear(1)]
    (late,) = server.say(line, {"type": "audio", "payload": "BwA="})
    assert (late.rate_hz, late.generation) == (None, 1)
    assert server.say(line, {"type": "bye", "why": "night"}) == [Bye("night")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("receive = 3", "at least one \\[\\[receive\\]\\]"),
        ("recieve = []", "'recieve' is no part of a protocol map"),
        ("hello = 3\n[[receive]]\nwhen = {}\nmeans = 'end'", "hello is a list of tables"),
        ("[[receive]]\nwhen = {}\nmeans = 'sound'", "means = 'sound' must be one of"),
        ("[[receive]]\nwhen = {}\nmeans = 'audio'", "means = 'audio' needs data"),
        ("[[", "is no TOML"),
    ],
)
def test_a_wrong_protocol_map_is_one_sentence(tmp_path, text, sentence):
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(LineError, match=sentence):
        PcmWebSocket(URL, protocol_map=str(tmp_path / "map.toml"))


def test_a_protocol_map_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(LineError, match="can't be read: No such file"):
        PcmWebSocket(URL, protocol_map=str(tmp_path / "none.toml"))
