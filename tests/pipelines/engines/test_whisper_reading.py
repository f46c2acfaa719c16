"""What a decoding says, and what of it was never said: on tokens and audio known beforehand."""

import numpy as np
import pytest

from pipelines.engines.stt.agreement import LocalAgreement
from pipelines.engines.stt.quiet import Quiet
from pipelines.engines.stt.reading import Reading, Segment, better, read, segments
from pipelines.engines.stt.repeats import once
from pipelines.engines.stt.whisper import WhisperEngine
from pipelines.process.engine import Emit, Request

T = 50_000
"""The token of 0.00 s."""
SAID = "put the cup on table turn left no stop . // close door"
WORDS = dict(enumerate(SAID.split()))
TOKENS = {word: token for token, word in WORDS.items()}


def tokens(text):
    """``<1.5>`` is a timestamp, everything else one of the words."""
    return [T + round(float(w[1:-1]) / 0.02) if w[0] == "<" else TOKENS[w] for w in text.split()]


def reading(text, *, audio_s=2.0, ended=True, score=-0.3, no_speech=0.0):
    return read(
        segments(tokens(text), T), lambda ids: " ".join(WORDS[i] for i in ids),
        audio_s=audio_s, ended=ended, score=score, no_speech=no_speech,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("turn left", "turn left"),
        ("turn left turn left", "turn left"),
        ("Turn left. turn left! turn left", "Turn left."),
        ("put the cup on the table", "put the cup on the table"),
        ("go to the window window window", "go to the window"),
        ("pick up the red block red block red", "pick up the red block"),
        ("is the cup on the shelf the cup on the shelf", "is the cup on the shelf"),
        ("no no", "no no"),
        ("no no no", "no"),
        ("what is what is my name", "what is what is my name"),
        ("wait the cup wait the", "wait the cup wait the"),
        ("", ""),
    ],
)
def test_what_is_repeated_at_the_end_is_said_once(said, kept):
    assert " ".join(once(said.split())) == kept


def test_a_copy_that_was_broken_off_counts_where_the_text_was_not_ended():
    words = ["put", "the", "cup", "on", "the", "table", "put", "the", "cup", "on"]
    assert once(words, ended=False) == words[:6]
    assert once(words) == words
    assert once(["left", "right", "left"], ended=False) == ["left", "right", "left"]


def test_a_loop_that_was_broken_off_in_a_word_or_varies_is_one_too():
    assert once(["sure", "sure", "sure", "su"], ended=False) == ["sure"]
    assert once(["sure", "sure", "su", "sure"], ended=False) == ["sure"]
    assert once(["sure", "sure", "su", "sure"]) == ["sure", "sure", "su", "sure"]
    assert once(["turn", "on", "the", "li"], ended=False) == ["turn", "on", "the", "li"]
    assert once([], ended=False) == []


def test_tokens_are_split_at_their_timestamps():
    found = segments(tokens("<0.00> turn left <1.50> <1.50> stop <2.00>"), T)
    assert found == [
        Segment(0.0, (TOKENS["turn"], TOKENS["left"])), Segment(1.5, (TOKENS["stop"],))
    ]  # fmt: skip
    assert segments(tokens("turn left"), T) == [Segment(0.0, (TOKENS["turn"], TOKENS["left"]))]
    assert segments([], T) == []


def test_a_segment_that_begins_where_the_audio_ends_was_never_said():
    heard = reading("<0.00> turn left <2.00> <2.00> close the door <4.00>")
    assert heard == Reading("turn left", -0.3, is_whole=False)
    inside = reading("<0.00> turn left <1.00> <1.00> stop <2.00>")
    assert inside == Reading("turn left stop", -0.3, is_whole=True)
    late = reading("<2.50> turn left <3.00>")  # the first is kept: its time is wrong, not its words
    assert late.text == "turn left"


def test_a_loop_is_said_once_and_doubted():
    loop = reading("<0.00> stop stop stop stop stop", ended=False)
    assert (loop.text, loop.is_whole, loop.doubtful) == ("stop", False, True)
    again = reading("<0.00> turn left turn left <1.80>")
    assert (again.text, again.doubtful) == ("turn left", True)


def test_marks_that_stand_alone_at_the_end_are_no_words():
    assert reading("<0.00> turn left . // <1.80>").text == "turn left"


def test_an_unsure_text_is_doubted_and_none_where_nobody_speaks():
    assert reading("turn left", score=-1.2).doubtful
    assert not reading("turn left", score=-0.9).doubtful
    assert reading("turn left", score=-1.7, no_speech=0.7).text == ""
    assert reading("turn left", score=-1.7, no_speech=0.5).text == "turn left"
    assert reading("turn left", score=-1.4, no_speech=0.7).text == "turn left"


def test_of_two_readings_the_whole_one_counts_and_then_the_surer():
    whole, loop = Reading("a", -1.5, is_whole=True), Reading("b", -0.2, is_whole=False)
    surer = Reading("c", -0.4, is_whole=True)
    assert better(whole, loop) == better(loop, whole) == whole
    assert better(whole, surer) == better(surer, whole) == surer


def _tone(ms, level):
    at = np.arange(16 * ms)
    return (level * np.sin(2 * np.pi * 200 * at / 16_000)).astype(np.int16).tobytes()


def test_quiet_begins_after_the_last_loud_frame_of_20_ms():
    quiet = Quiet()
    quiet.feed(bytes(2 * 1600))
    assert quiet.loud_until_bytes == 0
    quiet.feed(_tone(200, 8000))
    quiet.feed(bytes(2 * 1600))
    assert quiet.loud_until_bytes == 2 * 16 * 300
    quiet.feed(_tone(100, 160))  # 34 dB below the loudest
    assert quiet.loud_until_bytes == 2 * 16 * 300
    quiet.feed(_tone(40, 800))  # 20 dB below it
    assert quiet.loud_until_bytes == 2 * 16 * 540


def test_quiet_is_the_same_whatever_the_pieces_are():
    pcm = bytes(3200) + _tone(333, 5000) + bytes(4000)
    whole, pieces = Quiet(), Quiet()
    whole.feed(pcm)
    for at in range(0, len(pcm), 322):
        pieces.feed(pcm[at : at + 322])
    assert pieces.loud_until_bytes == whole.loud_until_bytes == 2 * 320 * 22


def test_after_quiet_all_words_are_agreed_on():
    agreement = LocalAgreement()
    assert agreement.feed(["turn"]) == ""
    assert agreement.settle(["turn", "left"]) == "turn left"
    assert agreement.feed(["turn", "left", "please"]) == "turn left"
    assert agreement.feed(["turn", "left", "please"]) == "turn left please"


class Heard(WhisperEngine):
    """The engine with a decoder whose texts are known: its input's length in ms, as a word."""

    def __init__(self, **options):
        super().__init__(model="none", window="short", **options)
        self.decoded: list[tuple[int, bool]] = []

    def _text(self, pcm, *, sure=True):
        self.decoded.append((len(pcm) // 32, sure))
        return f"w{len(pcm) // 32}"


class OneByOne(Request):
    """Hands out a piece at a time, as if each came while the engine waited."""

    def waiting_pieces(self):
        return []


def replies(engine, pcm, piece_ms=20):
    """The replies to audio that comes in pieces."""
    request, sent = OneByOne("stt-1", "utterance", {}, b""), []
    for at in range(0, len(pcm), 32 * piece_ms):
        request.feed({"last": False}, pcm[at : at + 32 * piece_ms])
    request.feed({"last": True}, b"")
    engine.run(request, Emit(request, lambda header, payload, marks: sent.append(header)))
    return sent


def test_the_end_is_decoded_when_the_speaker_falls_quiet_and_not_again():
    engine = Heard(step_ms=400, settle_ms=100)
    sent = replies(engine, bytes(32 * 100) + _tone(500, 8000) + bytes(32 * 300))
    assert engine.decoded == [(400, False), (700, True)]  # loud until 600, quiet for 100
    assert sent == [{"partial": "w700", "settled": True}, {"final": "w700", "again": 0}]


def test_words_after_a_pause_are_decoded_anew():
    engine = Heard(step_ms=2000, settle_ms=100)
    speech = _tone(300, 8000)
    sent = replies(engine, speech + bytes(32 * 200) + speech + bytes(32 * 200))
    assert engine.decoded == [(400, True), (900, True)]
    assert sent[-1] == {"final": "w900", "again": 0}


def test_an_end_before_the_quiet_is_decoded_at_the_end():
    engine = Heard(step_ms=2000, settle_ms=100)
    assert replies(engine, _tone(300, 8000) + bytes(32 * 60)) == [{"final": "w360", "again": 0}]
    assert engine.decoded == [(360, True)]


def test_without_partials_only_the_end_is_decoded():
    engine = Heard(partials=False)
    sent = replies(engine, _tone(900, 8000) + bytes(32 * 500))
    assert (engine.decoded, len(sent)) == ([(1400, True)], 1)


def test_an_utterance_longer_than_a_window_is_decoded_in_parts():
    engine = Heard(step_ms=20_000, settle_ms=100)
    sent = replies(engine, _tone(30_000, 8000), piece_ms=1000)
    assert engine.decoded == [(20_000, False), (28_000, False), (2000, True)]
    assert sent[-1]["final"] == "w28000 w2000"
