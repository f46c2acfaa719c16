"""The line of OpenAI's Realtime protocol: bytes in, events out; no socket needed."""

import base64

import numpy as np
import pytest

from bench.lines.fakes.server import Server
from bench.lines.line import Chunk, Clear, LineError, Ready, Words, Work
from bench.lines.openai_realtime import OpenAIRealtime

URL = "ws://127.0.0.1:1/v1/realtime?model=x"


def audio(response, pcm, name="response.output_audio.delta"):
    data = base64.b64encode(np.asarray(pcm, np.int16).tobytes()).decode()
    return {
        "type": name,
        "response_id": response,
        "item_id": f"item of {response}",
        "content_index": 0,
        "delta": data,
    }


def talk(**options):
    line, server = OpenAIRealtime(URL, **options), Server()
    assert server.accept(line) == []
    (update,) = server.take_json(line.owed())
    assert server.say(line, {"type": "session.created", "session": {}}) == []
    assert server.say(line, {"type": "session.updated", "session": {}}) == [
        Ready(8_000 if options.get("audio") == "audio/pcmu" else 24_000)
    ]
    return line, server, update["session"]


def test_the_session_is_asked_for_and_is_ready_when_the_server_has_taken_it():
    _, server, session = talk(
        headers={"Authorization": "Bearer key"}, vad={"silence_duration_ms": 200}, voice="ash"
    )
    assert server.request.headers["Authorization"] == "Bearer key"
    form = {"type": "audio/pcm", "rate": 24_000}
    turns = {"type": "server_vad", "silence_duration_ms": 200}
    assert session == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {
            "input": {"format": form, "turn_detection": turns},
            "output": {"format": form, "voice": "ash"},
        },
    }


def test_a_chunk_is_appended_and_in_mu_law_where_that_was_asked_for():
    line, server, _ = talk()
    chunk = Chunk(0, 0, np.array([1, -2], np.int16))
    sent = server.take_json(line.encode(chunk))
    assert sent == [{"type": "input_audio_buffer.append", "audio": "AQD+/w=="}]
    line, server, _ = talk(audio="audio/pcmu")
    (sent,) = server.take_json(line.encode(Chunk(0, 0, np.zeros(2, np.int16))))
    assert base64.b64decode(sent["audio"]) == b"\xff\xff"


def test_the_caller_commits_and_asks_for_an_answer_only_where_it_ends_turns():
    line, server, session = talk(turns="commit")
    assert session["audio"]["input"]["turn_detection"] is None
    assert [m["type"] for m in server.take_json(line.turn_over())] == [
        "input_audio_buffer.commit",
        "response.create",
    ]
    line, *_ = talk()
    assert line.turn_over() == b""


def test_what_was_heard_of_an_interrupted_answer_is_told_in_ms():
    line, server, _ = talk()
    server.say(line, audio("a", np.zeros(24_000)))  # 1 s, heard whole
    server.say(line, audio("b", np.zeros(24_000)))
    server.say(line, audio("b", np.zeros(24_000)))
    line.played(30_000)
    begins = {"type": "input_audio_buffer.speech_started", "item_id": "u"}
    assert server.say(line, begins) == [Clear(1)]
    (truncate,) = server.take_json(line.cut(36_000))
    assert truncate == {
        "type": "conversation.item.truncate",
        "item_id": "item of b",
        "content_index": 0,
        "audio_end_ms": 500,
    }
    (late,) = server.say(line, audio("b", [5]))
    (fresh,) = server.say(line, audio("c", [6]))
    assert (late.generation, fresh.generation) == (0, 1)


def test_a_user_who_speaks_while_all_was_heard_interrupts_nothing():
    line, server, _ = talk()
    server.say(line, audio("a", np.zeros(240)))
    line.played(240)
    begins = {"type": "input_audio_buffer.speech_started", "item_id": "u"}
    assert server.say(line, begins) == []


def test_words_of_both_sides_and_work_are_events():
    line, server, _ = talk()
    begun = {"type": "response.created", "response": {"id": "r"}}
    assert server.say(line, begun) == [Work(1)]
    piece = {"type": "response.audio_transcript.delta", "response_id": "r", "delta": "Hel"}
    assert server.say(line, piece) == [Words("agent", "Hel")]
    user = "conversation.item.input_audio_transcription.completed"
    assert server.say(line, {"type": user, "transcript": "hello"}) == [Words("user", "hello")]
    over = {"type": "response.done", "response": {"id": "r", "status": "completed"}}
    assert server.say(line, over) == [Work(0)]
    assert server.say(line, {"type": "rate_limits.updated"}) == []


def test_an_error_before_the_session_refuses_it_and_a_later_one_is_told():
    line, server = OpenAIRealtime(URL), Server()
    server.accept(line)
    error = {"type": "error", "error": {"code": "model_not_found", "message": "no such model"}}
    with pytest.raises(LineError, match=r"refuses the session \(model_not_found\): no such model"):
        server.say(line, error)
    line, server, _ = talk()
    assert server.say(line, error) == [Words("error", "model_not_found: no such model")]


def test_an_answer_that_failed_ends_the_trial_with_the_servers_reason():
    line, server, _ = talk()
    details = {"error": {"message": "out of quota"}}
    over = {"id": "r", "status": "failed", "status_details": details}
    with pytest.raises(LineError, match="an answer failed: out of quota"):
        server.say(line, {"type": "response.done", "response": over})


def test_a_binary_message_is_of_another_protocol():
    line, server, _ = talk()
    with pytest.raises(LineError, match="a binary message arrived"):
        server.say(line, b"\x00\x00")


def test_a_key_that_is_missing_is_named_and_a_secret_of_the_address_is_not():
    line, server = OpenAIRealtime("ws://127.0.0.1:1/v1/realtime?key=hush"), Server()
    server.take(line.hello())
    server.protocol.send_response(server.protocol.reject(401, "no\n"))
    with pytest.raises(LineError, match=r"HTTP 401.*a key or token is missing") as error:
        line.feed(server.give())
    assert "hush" not in str(error.value)
