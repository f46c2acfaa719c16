"""Moshi's protocol, the server's half: messages in, messages and commands out, no socket."""

import numpy as np
import pytest
import sphn

from pipelines.server.protocols.commands import Hear
from pipelines.server.protocols.moshi import MoshiServer, Persona, persona
from pipelines.wires import moshi
from pipelines.wires.error import WireError


def tone(samples):
    return (8000 * np.sin(2 * np.pi * 500 * np.arange(samples) / 24_000)).astype(np.int16)


def spoken(messages):
    reader = sphn.OpusStreamReader(24_000)
    pages = [m[1:] for m in messages if m[0] == moshi.AUDIO]
    return np.concatenate([reader.append_bytes(page) for page in pages])


def test_the_first_message_is_the_handshake():
    assert MoshiServer(24_000, 24_000).take() == [b"\x00"]


@pytest.mark.parametrize("in_rate_hz", [24_000, 16_000])
def test_opus_in_ogg_is_heard_wherever_the_pages_are_cut(in_rate_hz):
    server, writer = MoshiServer(in_rate_hz, 24_000), sphn.OpusStreamWriter(24_000)
    pcm = tone(19_200).astype(np.float32) / 32_768
    stream = b"".join(writer.append_pcm(pcm[n : n + 1920]) for n in range(0, 19_200, 1920))
    heard = []
    for n in range(0, len(stream), 100):
        for command in server.receive(b"\x01" + stream[n : n + 100]):
            assert isinstance(command, Hear)
            heard.append(command.pcm)
    joined = np.concatenate(heard)
    assert len(joined) == 19_200 * in_rate_hz // 24_000
    assert 7_000 < np.abs(joined[len(joined) // 2 :]).max() < 9_000


def test_speech_goes_out_in_packets_of_40_ms_and_its_end_is_filled_up():
    server = MoshiServer(24_000, 24_000)
    server.take()
    pcm = tone(5_000)
    for n in range(0, 5_000, 480):
        server.agent_audio(pcm[n : n + 480])
    server.flush()
    messages = server.take()
    assert len(messages) == 6
    out = spoken(messages)
    assert len(out) == 6 * 960
    assert np.abs(out[4_900:5_100]).max() > 0.2  # 156 samples late: the codec's look-ahead
    assert np.abs(out[5_400:]).max() < 0.02
    server.flush()
    assert server.take() == []


def test_words_and_an_error_have_kinds_of_their_own():
    server = MoshiServer(24_000, 24_000)
    server.agent_words(" héllo")
    server.agent_words("")
    server.failed("the model's process ended")
    assert server.take()[1:] == [
        b"\x02" + " héllo".encode(),
        b"\x05the model's process ended",
    ]


def test_an_interruption_drops_what_was_not_sent_yet():
    server = MoshiServer(24_000, 24_000)
    server.agent_audio(tone(900))
    server.interrupted()
    server.flush()
    assert server.take() == [b"\x00"]


def test_other_kinds_are_passed_over():
    server = MoshiServer(24_000, 24_000)
    assert server.receive(b"\x03\x00") == []
    assert server.receive(b"\x01") == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [(b"", "an empty message"), (b"\x01" + b"garbage" * 30, "no Opus in Ogg: unexpected ogg")],
)
def test_what_is_not_of_the_protocol_ends_the_session_in_a_sentence(data, sentence):
    with pytest.raises(WireError, match=sentence):
        MoshiServer(24_000, 24_000).receive(data)


def test_personaplexs_parameters_are_taken_and_the_web_clients_passed_over():
    query = {"voice_prompt": "NATF2.pt", "text_prompt": "Be kind.", "seed": "7", "pad_mult": "0"}
    assert persona(query) == Persona("Be kind.", "NATF2.pt", 7)
    assert persona({"seed": "-1"}) == Persona()
    with pytest.raises(WireError, match="seed = 'x' is no whole number"):
        persona({"seed": "x"})
    with pytest.raises(WireError, match="text_prompt has 65537 characters"):
        persona({"text_prompt": "x" * 65_537})
