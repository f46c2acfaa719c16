import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lines.line import LineError
from bench.lines.local import Decoder, Kind, Message, encode

messages = st.builds(
    Message,
    kind=st.sampled_from(Kind),
    generation=st.integers(0, 2**16 - 1),
    seq=st.integers(0, 2**32 - 1),
    a=st.integers(-(2**63), 2**63 - 1),
    b=st.integers(-(2**63), 2**63 - 1),
    payload=st.binary(max_size=100),
)


@given(sent=st.lists(messages, max_size=6), cuts=st.lists(st.integers(1, 40), min_size=1))
def test_messages_arrive_whole_however_the_stream_is_cut(sent, cuts):
    stream = b"".join(map(encode, sent))
    got: list[Message] = []
    decoder, at, i = Decoder(), 0, 0
    while at < len(stream):
        step = cuts[i % len(cuts)]
        got += decoder.feed(stream[at : at + step])
        at, i = at + step, i + 1
    assert got == sent


def test_a_stream_of_something_else_is_refused():
    with pytest.raises(LineError, match="out of step"):
        list(Decoder().feed(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: everything\r\n\r\n"))


def test_an_unknown_kind_is_refused_by_its_number():
    raw = bytearray(encode(Message(Kind.BYE)))
    raw[4] = 99
    with pytest.raises(LineError, match="99"):
        list(Decoder().feed(bytes(raw)))


def test_a_chunk_id_names_generation_and_number():
    assert Message(Kind.AUDIO_OUT, generation=3, seq=17).chunk_id == "g3:17"
