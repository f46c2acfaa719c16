"""The engine in its child, without a child: order, stages, dropping, the context's end, say()."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pipelines.duplex.session.doubles import EchoSession
from pipelines.duplex.session.engine import DuplexEngine
from pipelines.duplex.session.model import FRAME_SAMPLES
from pipelines.duplex.session.warmth import like_speech
from pipelines.duplex.session.wire import SESSION, Reply, int16_of_bytes, pcm_of_bytes, pcm_to_bytes
from pipelines.marks import Mark
from pipelines.process.engine import Emit, EngineError, Request

ECHO = "pipelines.duplex.session.doubles:EchoModel"
BOTH = pytest.mark.parametrize("stages", ["serial", "pipelined"])


def frames(count: int, seed: int = 0) -> list[np.ndarray]:
    return like_speech(count, seed)


def engine_of(stages: str = "serial", **echo: Any) -> DuplexEngine:
    engine = DuplexEngine(adapter=ECHO, options=echo, stages=stages)  # type: ignore[arg-type]
    engine.load()
    return engine


def serve(
    engine: DuplexEngine, pieces: Sequence[np.ndarray | str], header: dict[str, Any] | None = None
) -> list[Any]:
    """Feeds a session all at once; its replies.

    Arrays are frames; texts are to be said, or those of a condition: ``condition|…``.
    """
    request = Request("r", SESSION, header or {}, b"")
    count = 0
    for piece in pieces:
        if isinstance(piece, str):
            kind, _, text = piece.rpartition("|")
            request.feed({kind or "say": text, "last": False}, b"")
        else:
            request.feed({"frame": count, "last": False}, pcm_to_bytes(piece))
            count += 1
    request.feed({"last": True}, b"")
    replies: list[Any] = []

    def send(header: dict[str, Any], payload: bytes, _marks: list[Mark]) -> None:
        replies.append(Reply.read(header, payload) if "frame" in header else header)

    engine.run(request, Emit(request, send))
    return replies


def heard(replies: list[Reply]) -> list[np.ndarray]:
    return [pcm_of_bytes(reply.pcm) for reply in replies if reply.pcm]


@BOTH
@pytest.mark.parametrize("delay", [0, 3])
def test_every_frame_is_answered_once_in_order_and_the_echo_is_exact(stages, delay):
    said = frames(20)
    replies = serve(engine_of(stages, delay_frames=delay), said)
    assert [reply.frame for reply in replies] == list(range(20))
    assert [bool(reply.pcm) for reply in replies] == [False] * delay + [True] * (20 - delay)
    for given, got in zip(said, heard(replies), strict=False):
        np.testing.assert_array_equal(given, got)


def test_pipelined_gives_the_same_samples_as_serial():
    said = frames(30)
    one, other = (
        serve(engine_of(stages, noise=0.1, delay_frames=2), said, {"seed": 7})
        for stages in ("serial", "pipelined")
    )
    np.testing.assert_array_equal(heard(one), heard(other))


@pytest.mark.realtime
def test_pipelined_overlaps_decoding_with_the_next_frames_step():
    times = {"encode_ms": 10, "step_ms": 10, "decode_ms": 15}
    took_s = {}
    for stages in ("serial", "pipelined"):
        began = time.monotonic()
        replies = serve(engine_of(stages, **times), frames(12))
        took_s[stages] = time.monotonic() - began
    assert took_s["serial"] >= 12 * 0.035
    assert took_s["pipelined"] < 0.9 * took_s["serial"]  # 0.61 on an idle machine
    overlaps = [b.stamps["start"] < a.stamps["done"] for a, b in pairwise(replies)]
    assert sum(overlaps) > len(overlaps) / 2


@BOTH
def test_the_stamps_of_a_frame_are_in_the_order_of_its_life(stages):
    replies = serve(engine_of(stages, step_ms=1), frames(4))
    names = ["ready", "start", "encoded", "stepped", "decode_start", "done"]
    for reply in replies:
        assert list(reply.stamps) == names
        assert sorted(reply.stamps.values()) == list(reply.stamps.values())
    for now, after in pairwise(replies):
        assert after.stamps["ready"] >= now.stamps["stepped"]


@BOTH
def test_two_sessions_with_one_seed_give_the_same_samples_and_another_seed_others(stages):
    engine, said = engine_of(stages, noise=0.1, delay_frames=2), frames(8)
    first, again, other = (heard(serve(engine, said, {"seed": seed})) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@BOTH
def test_forced_text_comes_out_in_order_one_token_a_frame(stages):
    said = frames(6)
    pieces: list[np.ndarray | str] = [*said[:2], "how are you", *said[2:]]
    replies = serve(engine_of(stages), pieces, {"greeting": "hello there"})
    acks = [reply for reply in replies if isinstance(reply, dict)]
    texts = [(r.text, r.forced) for r in replies if isinstance(r, Reply)]
    assert acks == [{"said": "how are you"}]
    assert [text for text, _ in texts] == [" hello", " there", " how", " are", " you", ""]
    assert [forced for _, forced in texts] == [True] * 5 + [False]


@BOTH
def test_with_drop_only_the_newest_that_fit_the_queue_are_heard_and_the_rest_is_counted(stages):
    said = frames(10)
    replies = serve(engine_of(stages), said, {"queue_frames": 3})
    dropped = [r.frame for r in replies if "dropped" in r.stamps]
    assert dropped == list(range(7))
    kept = [r.frame for r in replies if "done" in r.stamps]
    assert kept == [7, 8, 9]
    np.testing.assert_array_equal(heard(replies), said[7:])
    assert sorted(dropped + kept) == list(range(10))


def test_a_text_to_say_is_never_dropped():
    said = frames(6)
    replies = serve(engine_of(), [said[0], "yes", *said[1:]], {"queue_frames": 2})
    assert {"said": "yes"} in replies
    assert [r.text for r in replies if isinstance(r, Reply) and "done" in r.stamps] == [" yes", ""]


@BOTH
def test_at_the_contexts_end_stop_answers_the_rest_with_silence(stages):
    replies = serve(engine_of(stages, context_frames=4), frames(7), {"context_end": "stop"})
    assert [r.frame for r in replies] == list(range(7))
    assert [bool(r.pcm) for r in replies] == [True] * 4 + [False] * 3
    assert [r.context_end for r in replies] == [False] * 4 + [True] * 3
    assert all("done" not in r.stamps for r in replies[4:])


@BOTH
def test_at_the_contexts_end_reset_starts_over_and_loses_no_frame(stages):
    said = frames(10)
    replies = serve(engine_of(stages, context_frames=4), said, {"context_end": "reset"})
    assert [r.frame for r in replies] == list(range(10))
    assert [r.frame for r in replies if r.context_end] == [4, 8]
    np.testing.assert_array_equal(heard(replies), said)


@BOTH
@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("raise", "the model broke"),
        ("decode", "the codec broke"),
        ("shape", r"a frame of shape \(1919,\) came instead of \(1920,\)"),
    ],
)
def test_what_fails_in_any_stage_ends_the_session_with_its_error(stages, fault, sentence):
    engine = engine_of(stages, fault=fault, fault_frame=3)
    with pytest.raises((RuntimeError, ValueError), match=sentence):
        serve(engine, frames(8))
    assert len(serve(engine, frames(3))) == 3  # the next session is whole


def test_a_decoder_that_fails_while_nothing_arrives_wakes_the_waiting_session():
    engine = engine_of("pipelined", fault="decode", fault_frame=0, decode_ms=50)
    request = Request("r", SESSION, {}, b"")
    request.feed({"frame": 0}, pcm_to_bytes(frames(1)[0]))
    with pytest.raises(RuntimeError, match="the codec broke"):
        engine.run(request, Emit(request, lambda *_: None))  # no second piece ever comes


def test_a_piece_that_is_no_frame_is_refused():
    request = Request("r", SESSION, {}, b"")
    request.feed({"frame": 0}, b"\0" * 100)
    with pytest.raises(EngineError, match=r"100 bytes\): send a frame of 7680 bytes"):
        engine_of().run(request, Emit(request, lambda *_: None))


def test_a_reply_that_is_none_is_refused():
    with pytest.raises(ValueError, match="names no frame"):
        Reply.read({"index": 1}, b"")
    with pytest.raises(ValueError, match="a frame of 6 bytes came instead of 7680"):
        Reply.read({"frame": 1}, b"\0" * 6)


def test_a_reply_comes_back_from_its_header_as_it_was():
    pcm = pcm_to_bytes(frames(1)[0])
    reply = Reply(3, {"start": 5, "done": 9}, " yes", 17, (1, 2048, 3), True, True, pcm)
    header = json.loads(json.dumps(reply.header()))
    assert Reply.read(header, pcm) == reply
    late = replace(reply, synchronous=False)
    assert Reply.read(json.loads(json.dumps(late.header())), pcm) == late
    silenced = replace(reply, unsaid_ms=1240.5)
    assert Reply.read(json.loads(json.dumps(silenced.header())), pcm) == silenced
    bare = Reply(0, {"dropped": 5})
    assert bare.header() == {"frame": 0, "dropped": 5} and Reply.read(bare.header(), b"") == bare


def test_samples_become_int16_rounded_and_clipped_and_nothing_else_is_taken():
    pcm = np.zeros(FRAME_SAMPLES, np.float32)
    pcm[:6] = [0.5, -0.5, 1.0, -1.0, 1.7, 0.00002]
    got = np.frombuffer(int16_of_bytes(pcm_to_bytes(pcm)), np.int16)
    assert got[:7].tolist() == [16384, -16384, 32767, -32768, 32767, 1, 0]
    for value in (np.nan, np.inf):
        pcm[5] = value
        with pytest.raises(ValueError, match="holds NaN or infinity"):
            int16_of_bytes(pcm_to_bytes(pcm))


def test_the_child_needs_numpy_and_nothing_else_that_is_installed():
    code = (
        "import sys, pipelines.process.child\n"
        "import pipelines.duplex.session.engine, pipelines.duplex.session.doubles\n"
        "files = [getattr(m, '__file__', None) or '' for m in list(sys.modules.values())]\n"
        "parts = [f.split('site-packages/') for f in files]\n"
        "found = {p[1].split('/')[0] for p in parts if len(p) > 1}\n"
        "print(sorted(name for name in found if not name.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['numpy']"


def test_warm_up_leaves_nothing_behind():
    engine = engine_of(delay_frames=1)
    engine.warm_up()
    assert not serve(engine, frames(1))[0].pcm


def test_the_burst_for_unpaced_measurement_is_seeded_and_keeps_a_codec_busy():
    first, again = like_speech(10, 3), like_speech(10, 3)
    np.testing.assert_array_equal(first, again)
    assert first[0].shape == (FRAME_SAMPLES,) and first[0].dtype == np.float32
    assert all(0.01 < np.sqrt(np.mean(np.square(frame))) < 0.5 for frame in first)


def test_a_model_without_a_condition_says_so_and_goes_on():
    said = frames(3)
    replies = serve(engine_of(), [said[0], "condition|the cup is red", *said[1:]])
    (told,) = [r for r in replies if isinstance(r, dict) and "conditioned" in r]
    assert told == {"conditioned": "the cup is red", "error": "The model has no condition."}
    assert len([r for r in replies if isinstance(r, Reply)]) == 3


def test_a_condition_reaches_the_session_in_its_place_among_the_frames(monkeypatch):
    order: list[str] = []
    advance = EchoSession.advance

    def counted(self, codes):
        order.append("step")
        return advance(self, codes)

    def condition_on(_self, text):
        order.append(text)

    monkeypatch.setattr(EchoSession, "advance", counted)
    monkeypatch.setattr(EchoSession, "condition_on", condition_on, raising=False)
    engine, said = engine_of(), frames(3)
    replies = serve(engine, [said[0], "condition|the cup is red", *said[1:]])
    assert order == ["step", "the cup is red", "step", "step"]
    assert {"conditioned": "the cup is red"} in replies
