"""Messages of the wire protocols: read as their documents say, refused in one sentence."""

import json
from typing import Any

import numpy as np
import pytest

from pipelines.wires import moshi, openai_realtime, pipecat_frames, rtvi, twilio
from pipelines.wires.error import WireError
from pipelines.wires.messages import json_object, sample_bytes, samples

PCM = np.array([1, -2, 300], np.int16)


def test_samples_of_both_formats_are_read_and_written():
    assert samples(b"\x01\x00\xfe\xff").tolist() == [1, -2]
    assert samples(sample_bytes(PCM, "float32"), "float32").tolist() == PCM.tolist()
    assert samples(np.array([2.0, -2.0], "<f4").tobytes(), "float32").tolist() == [32_767, -32_768]


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda: samples(b"\x00\x00\x00"), "half a sample arrived: int16 takes 2 bytes"),
        (lambda: samples(b"\x00" * 6, "float32"), "half a sample arrived: float32 takes 4 bytes"),
        (lambda: samples(np.array([np.nan], "<f4").tobytes(), "float32"), "not a finite number"),
        (lambda: json_object("{"), "a message is no JSON"),
        (lambda: json_object("[1]"), "holds no JSON object"),
        (lambda: json_object(b"\xff\xfe"), "a message is no JSON"),
        (lambda: twilio.read("{}"), "a message has no event"),
        (
            lambda: twilio.read('{"event":"media","media":{"payload":"%"}}'),
            "media.payload is no base64",
        ),
        (lambda: twilio.read('{"event":"media"}'), "media.payload is no base64 text, but NoneType"),
        (lambda: twilio.read('{"event":"mark"}'), "mark.name is missing"),
        (lambda: openai_realtime.read('{"event":"media"}'), "an event has no type"),
        (
            lambda: openai_realtime.read('{"type":"response.audio.delta","delta":1}'),
            "delta is no base64 text, but int",
        ),
        (lambda: pipecat_frames.read(b"\xff\xff\xff"), "no frame of Pipecat's"),
        (lambda: moshi.read(b""), "an empty message"),
        (lambda: moshi.piece(b"\xff"), "not in UTF-8"),
        (
            lambda: rtvi.bot_audio(rtvi.Rtvi("eval-bot-audio", {"audio": "AAA="})),
            "without its sampleRate",
        ),
    ],
)
def test_what_is_not_of_the_protocol_is_one_sentence(read, sentence):
    with pytest.raises(WireError, match=sentence):
        read()


def test_twilios_messages_are_read_as_they_were_written():
    texts = [
        twilio.connected(),
        twilio.start("MZ1", "CA1", {"who": "me"}),
        twilio.inbound("MZ1", 2, 0, b"\xff\x00"),
        twilio.mark("MZ1", "end"),
        twilio.clear("MZ1"),
        twilio.stop("MZ1", "CA1", 9),
        {"event": "dtmf", "dtmf": {"digit": "5"}},
    ]
    assert [twilio.read(json.dumps(text)) for text in texts] == [
        None,
        twilio.Start("MZ1", "CA1", {"who": "me"}),
        twilio.Media(b"\xff\x00"),
        twilio.MarkNamed("end"),
        twilio.ClearAll(),
        twilio.Stop(),
        twilio.Digit("5"),
    ]


def test_a_chunk_of_twilios_says_its_number_from_1_and_its_time_in_ms():
    media = twilio.inbound("MZ1", 7, 3, b"")["media"]
    assert (media["chunk"], media["timestamp"], media["track"]) == ("4", "60", "inbound")


@pytest.mark.parametrize("name", ["response.output_audio.delta", "response.audio.delta"])
def test_audio_of_a_realtime_server_is_read_by_its_name_of_today_and_of_the_beta(name):
    event = {"type": name, "response_id": "r", "item_id": "i", "delta": "AQD+/w=="}
    read = openai_realtime.read(json.dumps(event))
    assert read == openai_realtime.AudioDelta("r", "i", 0, b"\x01\x00\xfe\xff", None)


def test_an_older_server_puts_audio_under_another_key_with_its_rate():
    event = {"type": "response.audio.delta", "audio": "AQA=", "sample_rate_hz": 16000}
    read = openai_realtime.read(json.dumps(event))
    assert read == openai_realtime.AudioDelta("", "", 0, b"\x01\x00", 16_000)


def test_functions_that_a_model_called_are_told_with_the_end_of_its_answer():
    call = {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"}
    response = {"id": "r", "status": "completed", "output": [{"type": "message"}, call]}
    event = {"type": "response.done", "response": response}
    read = openai_realtime.read(json.dumps(event))
    assert read == openai_realtime.ResponseOver("r", "completed", "", (("c", "look", "{}"),))


def test_pipecats_own_classes_read_our_frames_and_we_read_theirs():
    from pipecat.frames.protobufs import frames_pb2 as generated

    frames_pb2: Any = generated  # its classes are made when it is imported
    theirs = frames_pb2.Frame.FromString(pipecat_frames.audio(PCM, 16_000)).audio
    assert (theirs.sample_rate, theirs.num_channels) == (16_000, 1)
    assert theirs.audio == PCM.tobytes()
    stereo = frames_pb2.Frame()
    stereo.audio.audio = np.array([1, 9, 2, 9], np.int16).tobytes()
    stereo.audio.sample_rate, stereo.audio.num_channels = 24_000, 2
    ours = pipecat_frames.read(stereo.SerializeToString())
    assert isinstance(ours, pipecat_frames.AudioFrame)
    assert (ours.pcm.tolist(), ours.rate_hz, ours.channels) == ([1, 2], 24_000, 2)
    assert frames_pb2.Frame.FromString(pipecat_frames.interruption()).WhichOneof("frame") == (
        "interruption"
    )
    said = frames_pb2.Frame.FromString(pipecat_frames.message("{}"))
    assert said.message.data == "{}"


def test_a_message_of_another_protocol_is_no_rtvi():
    assert rtvi.read('{"label":"other","type":"x"}') is None
    assert rtvi.read(json.dumps(rtvi.client_ready())) == rtvi.Rtvi(
        "client-ready", {"version": "2.2.0", "about": {"library": "duplex-lab"}}
    )
