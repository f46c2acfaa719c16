"""The line to a Moshi server: bytes in, events out; no socket needed."""

import numpy as np
import pytest
import sphn

from bench.lines.fakes.server import Server
from bench.lines.line import Chunk, Fact, LineError, Ready, Words
from bench.lines.moshi import Moshi

URL = "ws://127.0.0.1:1/api/chat"


@pytest.fixture
def talk():
    line, server = Moshi(URL), Server()
    assert server.accept(line) == []
    assert line.owed() == b""  # PersonaPlex discards what comes before its handshake
    assert server.say(line, b"\x00") == [Ready(24_000)]
    return line, server


def test_after_the_streams_head_chunks_of_20_ms_go_out_as_pages_of_40(talk):
    line, server = talk
    sent = [line.encode(Chunk(k, 0, np.zeros(480, np.int16))) for k in range(4)]
    pages = [server.take(data) for data in sent if data]
    assert [bool(data) for data in sent] == [True, True, False, True]
    assert all(frame.data[0] == 1 for (frame,) in pages)


def test_a_sweep_comes_back_after_the_codecs_look_ahead_of_156_samples(talk):
    line, server = talk
    at_s = np.arange(24_000) / 24_000
    pcm = (0.3 * np.sin(2 * np.pi * (200 + 1_500 * at_s) * at_s)).astype(np.float32)
    writer = sphn.OpusStreamWriter(24_000)
    heard = []
    for at in range(0, 23_040, 1_920):
        page = writer.append_pcm(np.ascontiguousarray(pcm[at : at + 1_920]))
        heard += server.say(line, b"\x01" + page)
    assert heard.pop(0) == Fact("pre_skip", 80.0)  # what the head says, and nobody may believe
    heard = [event.pcm for event in heard]
    got = np.concatenate(heard).astype(float)
    shifts = range(100, 200)
    fits = [np.dot(got[4_000 + shift : 16_000 + shift], pcm[4_000:16_000]) for shift in shifts]
    assert abs(shifts[int(np.argmax(fits))] - 156) <= 1


def test_pieces_of_text_are_the_agents_words(talk):
    line, server = talk
    assert server.say(line, "\x02 Hé".encode()) == [Words("agent", " Hé")]


def test_a_persona_goes_into_the_query():
    line, server = Moshi(URL, voice_prompt="NATF2.pt", text_prompt="Be brief & kind"), Server()
    server.accept(line)
    assert server.request.path == ("/api/chat?voice_prompt=NATF2.pt&text_prompt=Be+brief+%26+kind")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"\x05out of memory", "the server reports an error: out of memory"),
        (b"\x02\xff", "not in UTF-8"),
        (b"", "an empty message"),
    ],
)
def test_what_goes_wrong_there_is_one_sentence(talk, said, sentence):
    line, server = talk
    with pytest.raises(LineError, match=sentence):
        server.say(line, said)


def test_text_where_audio_is_due_is_one_sentence(talk):
    line, server = talk
    with pytest.raises(LineError, match="text arrived where audio is due"):
        server.say(line, {"type": "hello"})
