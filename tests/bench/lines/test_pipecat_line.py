"""The line to a bot under Pipecat's runner, in both dialects; no socket needed."""

import base64

import numpy as np
import pytest

from bench.lines.fakes.server import Server
from bench.lines.line import Chunk, Clear, LineError, Ready, Words, Work
from bench.lines.pipecat import Pipecat
from pipelines.wires import pipecat_frames, rtvi
from pipelines.wires.messages import json_text

PCM = np.array([1, -2], np.int16)


@pytest.fixture
def talk():
    line, server = Pipecat("ws://127.0.0.1:1/ws-client"), Server()
    assert server.accept(line) == [Ready(24_000)]
    return line, server


def message(kind, **data):
    return pipecat_frames.message(json_text(rtvi.message(kind, data, "1")))


def test_a_bot_is_greeted_and_hears_16_khz_in_protobuf(talk):
    line, server = talk
    (hello,) = server.take(line.owed())
    frame = pipecat_frames.read(hello.data)
    assert isinstance(frame, pipecat_frames.MessageFrame)
    assert rtvi.read(frame.data).type == "client-ready"
    (sent,) = server.take(line.encode(Chunk(0, 0, PCM)))
    audio = pipecat_frames.read(sent.data)
    assert isinstance(audio, pipecat_frames.AudioFrame)
    assert (audio.pcm.tolist(), audio.rate_hz) == ([1, -2], 16_000)


def test_audio_comes_with_its_own_rate_and_an_interruption_clears(talk):
    line, server = talk
    (audio,) = server.say(line, pipecat_frames.audio(PCM, 16_000))
    assert (audio.rate_hz, audio.generation) == (16_000, 0)
    assert server.say(line, pipecat_frames.interruption()) == [Clear(1)]
    (audio,) = server.say(line, pipecat_frames.audio(PCM, 16_000))
    assert audio.generation == 1


def test_words_work_and_errors_of_rtvi_are_events(talk):
    line, server = talk
    assert server.say(line, message("bot-llm-started")) == [Work(1)]
    assert server.say(line, message("bot-llm-text", text=" Hi")) == [Words("agent", " Hi")]
    call = {"tool_call_id": "c"}
    assert server.say(line, message("llm-function-call-in-progress", **call)) == [Work(2)]
    assert server.say(line, message("bot-llm-stopped")) == [Work(1)]
    assert server.say(line, message("llm-function-call-stopped", **call)) == [Work(0)]
    heard = {"text": "hello", "final": True}
    assert server.say(line, message("user-transcription", **heard)) == [Words("user", "hello")]
    partial = {"text": "hel", "final": False}
    assert server.say(line, message("user-transcription", **partial)) == []
    assert server.say(line, message("error", error="no key")) == [Words("error", "no key")]


def test_the_dialect_of_evals_is_ready_when_the_bot_is_and_carries_audio_in_json():
    line, server = Pipecat("ws://127.0.0.1:1/ws", dialect="eval"), Server()
    assert server.accept(line) == []
    first, second = server.take_json(line.owed())
    assert (first["data"]["t"], second["type"]) == ("eval-connect", "client-ready")
    assert server.say(line, rtvi.message("bot-ready", {}, "1")) == [Ready(24_000)]
    (sent,) = server.take_json(line.encode(Chunk(3, 0, PCM)))
    assert sent["data"] == {"base64Audio": "AQD+/w==", "sampleRate": 16_000, "numChannels": 1}
    audio = {"audio": base64.b64encode(PCM.tobytes()).decode(), "sampleRate": 22_050}
    (heard,) = server.say(line, rtvi.message("eval-bot-audio", audio, "2"))
    assert (heard.pcm.tolist(), heard.rate_hz) == ([1, -2], 22_050)
    assert server.say(line, rtvi.message("bot-interrupted", {}, "3")) == [Clear(1)]


def test_what_is_no_frame_of_pipecats_is_one_sentence(talk):
    line, server = talk
    with pytest.raises(LineError, match="no frame of Pipecat's"):
        server.say(line, b"\xff\xff\xff")
