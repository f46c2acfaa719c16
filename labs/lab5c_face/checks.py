"""The checks of lab 5c, listed openly: the same for the student and for the grader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.store.face_frames import LIMIT_MS, offsets, read_face
from labs.check import Check, Lab, Submission, SubmissionError, Verdict
from labs.evidence.face import face_times
from labs.judging import sentence
from labs.lab5c_face.playing import FRAME, SENTENCES, frames_pcm, read_wav
from pipelines.face.messages import FaceMessage, parse
from pipelines.face.states import FaceEvent, Policy, StateMachine, read_policy

SHARE_LEAST = 0.9
"""Least share of the frames that were heard and drawn: none may be left out for being late."""


def _tone(dbfs: float) -> NDArray[np.int16]:
    """A frame whose RMS is known: alternating samples."""
    amplitude = round(32768 * 10 ** (dbfs / 20))
    return np.where(np.arange(FRAME) % 2, amplitude, -amplitude).astype(np.int16)


def _number(said: object, what: str) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said):
        raise SubmissionError(f"{what} does not return a number.")
    return float(said)


def _openings(submission: Submission, frames: Sequence[NDArray[np.int16]]) -> list[float]:
    said = submission.call_each("mouth.py", "openness", frames)
    return [_number(value, "openness()") for value in said]


def _smoothed(submission: Submission, values: Sequence[float]) -> list[float]:
    said = submission.call("mouth.py", "smooth", list(values))
    if not isinstance(said, list) or len(said) != len(values):
        raise SubmissionError("smooth() must give as many values as it gets.")
    return [_number(value, "smooth()") for value in said]


def mouth_rms(submission: Submission) -> Verdict:
    """openness() on frames whose level is known."""
    levels = map(_tone, (-50, -40, -35, -30, -25, -20, -6))
    silence, quiet, *between, full = _openings(submission, [np.zeros(FRAME, np.int16), *levels])
    if silence != 0 or quiet != 0:
        return Verdict(False, "openness() does not close the mouth in silence.")
    if full != 1:
        return Verdict(False, f"openness() gives {full:g}, not 1, for a voice of −6 dBFS.")
    if any(b - a < 0.03 for a, b in pairwise(between)):
        return Verdict(False, "openness() does not grow with the level between −45 and −15 dBFS.")
    return Verdict(True, "silence, a full voice, and levels between them come out right.")


def mouth_smooth(submission: Submission) -> Verdict:
    """smooth() on a step up and down."""
    out = _smoothed(submission, [0.0] * 3 + [1.0] * 10 + [0.0] * 10)
    if min(out) < 0 or max(out) > 1:
        return Verdict(False, "smooth() leaves 0–1.")
    if out[12] < 0.95 or out[-1] > 0.05 or out[2] != 0:
        return Verdict(False, "smooth() does not get where its input stays.")
    up, down = out[3], 1 - out[13] / out[12]
    if not 0 < down < up < 1:
        text = "after one frame it should be part of the way, opening further than closing."
        return Verdict(False, f"smooth(): {text}")
    return Verdict(True, f"one frame after a step it has gone {up:.0%} up, {down:.0%} down.")


def _lips(submission: Submission, track: Sequence[object], t_ms: float) -> list[float]:
    said = submission.call("lips.py", "blend", list(track), t_ms)
    if not isinstance(said, list) or len(said) < 3:
        raise SubmissionError("blend() must give [open, wide, round].")
    return [_number(value, "blend()") for value in said[:3]]


def lips_blend(submission: Submission) -> Verdict:
    """blend() on tracks whose right answer follows from the task."""
    ah, ee, lips = [0.9, 0.4, 0.0, 1.2], [0.3, 1.0, 0.0, 1.2], [0.0, 0.2, 0.0, 2.5]
    alone = [(ah, 100.0, 200.0)]
    if any(abs(a - b) > 0.01 for a, b in zip(_lips(submission, alone, 150), ah, strict=False)):
        return Verdict(
            False, "a viseme alone must have its own shape in its own time: not even rest pulls."
        )
    if _lips(submission, alone, 3000)[0] > 0.1 or _lips(submission, [], 0)[0] > 0.1:
        return Verdict(False, "far from any viseme the mouth must be at rest.")
    pair = [(ah, 0.0, 100.0), (ee, 100.0, 200.0)]
    border = _lips(submission, pair, 100)[0]
    if abs(border - 0.6) > 0.03:
        return Verdict(False, "two visemes of one weight must meet half-way at their border.")
    opens = [_lips(submission, pair, float(t))[0] for t in range(40, 170, 10)]
    if max(abs(a - b) for a, b in pairwise(opens)) > 0.25:
        return Verdict(False, "the lips jump: from one 10 ms to the next by more than a quarter.")
    between = [(ah, 0.0, 120.0), (lips, 120.0, 200.0), (ah, 200.0, 320.0)]
    closed, vowel = (_lips(submission, between, t)[0] for t in (160.0, 20.0))
    if closed > 0.3 * vowel:
        text = f"{closed:.2f} open there, {vowel:.2f} in the vowel before; 0.3 of that is the most"
        return Verdict(False, f"the lips don't close for an m between two vowels: {text}.")
    return Verdict(True, "alone, at rest, at a border and around an m the lips stand right.")


STORIES: tuple[tuple[tuple[FaceEvent, ...], tuple[str, ...]], ...] = (
    (("user_started", "user_stopped", "agent_started", "agent_stopped"),
     ("listening", "thinking", "speaking", "listening")),
    (("user_stopped", "agent_started", "interrupted"), ("thinking", "speaking", "listening")),
    (("user_stopped", "agent_started", "promised", "agent_stopped"),
     ("thinking", "speaking", "acting", "acting")),
    (("user_stopped", "agent_started", "refused", "agent_stopped"),
     ("thinking", "speaking", "sorry", "listening")),
    (("user_stopped", "promised", "agent_started", "agent_stopped"),
     ("thinking", "acting", "acting", "acting")),
    (("user_stopped", "refused", "agent_started", "agent_stopped"),
     ("thinking", "sorry", "sorry", "listening")),
    (("user_stopped", "heard_nothing"), ("thinking", "confused")),
    (("user_stopped", "error"), ("thinking", "confused")),
    (("task_started", "task_done"), ("acting", "listening")),
)  # fmt: skip
"""Events, and the state after each: the table in README.md, as a test."""


def states_stories(submission: Submission) -> Verdict:
    """The student's table, walked through by our machine: no code of theirs is run."""
    policy = read_policy(submission.path("states.toml"))
    for events, wanted in STORIES:
        machine = StateMachine(policy)
        for i, (event, state) in enumerate(zip(events, wanted, strict=True)):
            machine.feed(event, 100.0 * i)
            if machine.name != state:
                return Verdict(False, f"after {', '.join(events[: i + 1])} it is {machine.name}.")
    return Verdict(True, f"{len(STORIES)} stories go as README.md has them.")


def states_words(submission: Submission) -> Verdict:
    """Promises, refusals and other sentences are distinguished."""
    policy = read_policy(submission.path("states.toml"))
    known = {
        "Okay, I will bring the red cup.": "promised",
        "I will wait at the door.": "promised",
        "Sorry, I cannot fly.": "refused",
        "I don't know where the key is.": "refused",
        "The blue ball is under the chair.": None,
    }
    wrong = [text for text, event in known.items() if policy.event_of(text) != event]
    return Verdict(
        not wrong, f"taken wrongly: {wrong[0]!r}." if wrong else "promises and refusals are known."
    )


def _messages(submission: Submission) -> list[FaceMessage]:
    lines = submission.text("messages.jsonl").splitlines()
    return [parse(line) for line in lines]


def messages_agree(submission: Submission) -> Verdict:
    """messages.jsonl against the student's table, and their mouth on the reply that was kept."""
    told = _messages(submission)
    spoken = [m for m in told if m.speaking]
    if len(told) - len(spoken) != len(SENTENCES):
        return Verdict(False, f"messages.jsonl does not hold the {len(SENTENCES)} sentences.")
    if any(a.at is None or a.samples is None for a in told):
        return Verdict(False, "a message does not say which samples it is for.")
    if max(m.mouth for m in spoken) < 0.5 or len({m.mouth for m in spoken}) < 10:
        return Verdict(False, "the mouth hardly moves while it speaks.")
    if max(k.open for m in spoken for k in m.visemes) < 0.4:
        return Verdict(False, "the lips hardly move while it speaks.")
    policy: Policy = read_policy(submission.path("states.toml"))
    for m in told:
        state = policy.states.get(m.state)
        if state is None or (m.valence, m.arousal) != (state.valence, state.arousal):
            return Verdict(False, f"a message's state {m.state!r} is not that of states.toml.")
    frames = frames_pcm(read_wav(submission.path("reply.wav")))
    mouths = _smoothed(submission, _openings(submission, frames))
    first = [m.mouth for m in told[: len(mouths)]]
    if len(first) != len(mouths) or not np.allclose(first, np.clip(mouths, 0, 1), atol=0.001):
        why = (
            "mouth.py makes other mouths of reply.wav than stand in messages.jsonl: play it again."
        )
        return Verdict(False, why)
    return Verdict(True, f"{len(told)} messages agree with your table and your mouth.py.")


def offset_measured(submission: Submission) -> Verdict:
    """The offset, recomputed from the page's rows."""
    if submission.answer("offset.browser", str) == "none":
        return Verdict(True, "not measured, as you had no browser: a person decides.")
    frames = read_face(submission.path("results/play"))
    mouths = {m.at: m.mouth for m in _messages(submission) if m.samples}
    if len(frames) < SHARE_LEAST * len(mouths):
        text = f"results/play holds {len(frames)} of {len(mouths)} frames, fewer than "
        return Verdict(False, f"{text}{SHARE_LEAST:.0%}: keep the page in view while it speaks.")
    for _, why in face_times(frames, None):
        return Verdict(False, f"face.parquet: {why}.")
    if any(abs(mouths.get(f.at_sample, -1.0) - f.mouth) > 0.001 for f in frames):
        return Verdict(False, "face.parquet was not measured with these messages.")
    found = offsets(frames)
    for key, value in (("offset.p50_ms", found.p50_ms), ("offset.p95_ms", found.p95_ms)):
        if value is None or abs(submission.answer(key, float) - value) > 0.6:
            return Verdict(False, f"{key} is not what face.parquet gives.")
    return Verdict(True, f"{len(frames)} frames, and both quantiles are reported rightly.")


def offset_small(submission: Submission) -> Verdict:
    """Within one frame."""
    if submission.answer("offset.browser", str) == "none":
        return Verdict(True, "not measured, as you had no browser: a person decides.")
    found = offsets(read_face(submission.path("results/play")))
    if found.abs_p95_ms is None:
        return Verdict(False, "results/play holds no frame.")
    text = f"|offset| is {found.abs_p95_ms:.0f} ms at p95; at most {LIMIT_MS:.0f} is asked for."
    return Verdict(found.abs_p95_ms <= LIMIT_MS, text)


CHECKS = (
    Check("mouth-rms", "openness() of frames whose level is known", mouth_rms),
    Check("mouth-smooth", "smooth() opens quickly, closes slowly, and arrives", mouth_smooth),
    Check("lips-blend", "blend() alone, at rest, at a border, around an m", lips_blend),
    Check("states-stories", "states.toml leads where README.md's table says", states_stories),
    Check("states-words", "promises and refusals are known by their words", states_words),
    Check("messages-agree", "messages.jsonl is made by your mouth and your table", messages_agree),
    Check("offset-measured", "the quantiles in answers.toml are face.parquet's", offset_measured),
    Check("offset-small", "|offset| at p95 is at most one frame", offset_small),
    sentence("offset.clocks", 60),
    sentence("face.upgrade", 60),
    sentence("face.uncanny", 40),
)

LAB = Lab(
    "5c",
    "The expressive face",
    ("mouth.py", "lips.py", "play.py", "*.toml", "messages.jsonl", "reply.wav", "results/play"),
    CHECKS,
)  # fmt: skip
