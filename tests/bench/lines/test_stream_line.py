"""The line to our own voice server: what its messages mean to the caller."""

import numpy as np

from bench.lines.fakes.server import Server
from bench.lines.line import Bye, Chunk, Clear, Fact, Ready, Words
from bench.lines.stream import RATE_HZ, Stream

PCM = np.arange(5, dtype=np.int16)


def connected(**options):
    server, line = Server(), Stream("ws://127.0.0.1:9/v1/stream", **options)
    assert server.accept(line) == []
    return server, line


def test_the_server_listens_when_it_says_so_and_once():
    server, line = connected()
    assert server.say(line, {"type": "status", "state": "starting"}) == []
    assert server.say(line, {"type": "status", "state": "listening"}) == [Ready(RATE_HZ)]
    assert server.say(line, {"type": "status", "state": "listening"}) == []


def test_audio_after_an_interruption_is_of_the_next_generation():
    server, line = connected()
    (before,) = server.say(line, PCM.tobytes())
    cleared = server.say(line, {"type": "status", "state": "interrupted"})
    assert cleared == [Clear(1), Fact("clear")]
    (after,) = server.say(line, PCM.tobytes())
    silent = {"type": "status", "state": "interrupted", "spoke": False}
    assert server.say(line, silent) == [Clear(2)]  # nobody was interrupted
    assert (before.generation, after.generation) == (0, 1)
    assert after.pcm.tolist() == PCM.tolist() and after.rate_hz is None


def test_final_words_of_the_user_every_piece_of_the_agent_and_errors_are_words():
    server, line = connected()
    said = [
        {"type": "transcript", "who": "user", "text": "go", "final": False},
        {"type": "transcript", "who": "user", "text": "go away", "final": True},
        {"type": "transcript", "who": "agent", "text": " yes", "final": False},
        {"type": "audio", "is_filler": True},
        {"type": "audio", "is_filler": False},
        {"type": "memory", "injected": ["x", "y"]},
        {"type": "tool_call", "call_id": "1", "name": "look_up", "arguments": {}},
        {"type": "tool_result", "call_id": "1", "name": "look_up", "result": 3},
        {"type": "fallback", "old": "a", "new": "b"},
        {"type": "error", "message": "the model crashed"},
    ]
    assert [server.say(line, one) for one in said] == [
        [],
        [Words("user", "go away")],
        [Words("agent", " yes")],
        [Fact("filler", 0, "filler")],  # from the first chunk on
        [Fact("filler", 0, "answer")],
        [Fact("memory", text="x · y")],
        [Fact("tool_call", text="look_up")],
        [Fact("tool_result", text="look_up")],
        [Fact("fallback", text="b")],
        [Words("error", "the model crashed")],
    ]
    closed = {"type": "status", "state": "closed", "reason": "the server is shutting down"}
    assert server.say(line, closed) == [Bye("the server is shutting down")]


def test_the_user_may_write_in_place_of_speaking():
    server, line = connected()
    (message,) = server.take(line.written("where is the key?"))
    assert message.data == b'{"type":"text","text":"where is the key?"}'


def test_a_preset_is_asked_for_in_the_address_and_chunks_go_out_as_they_are():
    server, line = connected(preset="duplex-nano", headers={"Authorization": "Bearer x"})
    assert server.request.path == "/v1/stream?preset=duplex-nano"
    assert server.request.headers["Authorization"] == "Bearer x"
    (frame,) = server.take(line.encode(Chunk(0, 0, PCM)))
    assert frame.data == PCM.tobytes()
    stop, close = server.take(line.bye())
    assert stop.data == b'{"type":"stop"}' and close.opcode.name == "CLOSE"
