"""The algorithmic latency of a duplex model: how soon can an answer to a sound come at all?

The literature calls it the model's "floor", and so do this module's names. One frame of the user is
replaced by loud noise; the first frame of the model's speech whose content then differs is the
first that depends on it. The floor counts from the first sample of that frame to the moment at
which the differing speech is emitted by a model that computes in no time:

    reply k is the answer to input frame k, so it is out when frame k is complete, at (k + 1) frames
    frame t, perturbed, began at t frames; the first reply that differs is k
    floor = (k + 1) − t frames of 80 ms = 1 frame of hearing + (k − t) frames of delay

The content of a frame is its first codebook (where a model reports its codes; else all of the
audio). The Moshi family samples the other seven one step later, because of their acoustic delay:
these, the fine detail of a frame that was decided before, depend on the sound one frame earlier.
Both are shown.

A difference can be found too late (the likeliest token stayed the same) but never too early, so the
floor is the minimum over the positions tried, and the spread is shown. A model that was trained to
listen in silence emits the same silence whatever a single frame holds; while it speaks, its next
words depend on every frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.duplex.session.model import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm
from pipelines.errors import LabError

FIRST_POSITION = 4
"""Number of first frames that are left alone: implementations ignore some of them."""
WINDOW_FRAMES = 12
"""Number of replies after the perturbed frame's own in which a response is looked for."""


@dataclass(frozen=True, slots=True)
class Said:
    """The model's reply to one frame."""

    pcm: Pcm | None
    """(1920,) of speech; None where it had none."""
    codes: tuple[int, ...] = ()
    """Its audio codes, first codebook first; empty where the model reports none."""


Run = Callable[[Pcm], Iterator[Said]]
"""Runs a fresh session (always the same seed, greedy) on frames (n, 1920), 24 kHz; gives one reply
per frame, in order. The caller may stop early."""


@dataclass(frozen=True, slots=True)
class Response:
    """The effect of one perturbed frame."""

    position: int
    """Index of the perturbed frame of the user."""
    lag_frames: int | None
    """First reply whose content differs − position; None: none in `WINDOW_FRAMES` more."""
    detail_lag_frames: int | None = None
    """First reply that differs in anything at all − position."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The result of the probe."""

    responses: tuple[Response, ...]
    """The responses, one per position."""
    acoustic_frames: int
    """Acoustic delay of the model's codebooks in frames, by its configuration; 0: it has none."""

    @property
    def frames(self) -> int | None:
        """The floor in frames; None: nothing that the user said changed what the model said."""
        lags = [r.lag_frames for r in self.responses if r.lag_frames is not None]
        return min(lags) + 1 if lags else None

    @property
    def ms(self) -> float | None:
        """The floor in ms."""
        return None if self.frames is None else self.frames * FRAME_MS

    @property
    def detail_frames(self) -> int | None:
        """The same of any difference at all: how soon the sound leaves a trace."""
        lags = [r.detail_lag_frames for r in self.responses if r.detail_lag_frames is not None]
        return min(lags) + 1 if lags else None

    @property
    def silent(self) -> tuple[int, ...]:
        """Number of positions at which no reply differed in content."""
        return tuple(r.position for r in self.responses if r.lag_frames is None)

    @property
    def spread(self) -> dict[int, int]:
        """Floor in frames → number of positions."""
        found = Counter(r.lag_frames + 1 for r in self.responses if r.lag_frames is not None)
        return dict(sorted(found.items()))

    def derivation(self) -> list[tuple[str, int]]:
        """The parts of the floor: (part, frames)."""
        if self.frames is None:
            return []
        delay = self.frames - 1
        acoustic = min(self.acoustic_frames, delay)
        parts = [("the frame itself: it is heard when it is complete", 1)]
        if acoustic:
            parts.append(("acoustic delay: codebooks 2–8 come after the first", acoustic))
        parts.append(("what the implementation adds", delay - acoustic))
        return parts

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {
            "floor_frames": self.frames,
            "floor_ms": self.ms,
            "detail_frames": self.detail_frames,
            "derivation": [{"what": what, "frames": n} for what, n in self.derivation()],
            "positions": len(self.responses),
            "spread": {str(frames): n for frames, n in self.spread.items()},
            "without_response": list(self.silent),
            "responses": [[r.position, r.lag_frames, r.detail_lag_frames] for r in self.responses],
        }


def speech_like(frames: int, rng: np.random.Generator) -> Pcm:
    """A voice's spectrum and rhythm without words: (frames, 1920) in ±0.3."""
    t_s = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE_HZ
    pitch_hz = 120.0 + 25.0 * np.sin(2 * np.pi * 0.7 * t_s + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    voice = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 20))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4.0 * t_s + rng.uniform(0, 6))
    pcm = np.asarray(voice * syllables + 0.02 * rng.standard_normal(len(t_s)))
    pcm *= 0.3 / np.abs(pcm).max()
    return pcm.astype(np.float32).reshape(frames, FRAME_SAMPLES)


def measure(
    run: Run,
    *,
    positions: int = 20,
    seed: int = 0,
    acoustic_frames: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Floor:
    """Perturbs one frame at a time and finds the first reply that depends on it.

    Args:
        run: Runs a fresh session of the model, greedy and always with the same seed.
        positions: Number of frames that are perturbed, each in a run of its own.
        seed: Seed of the signal, the noise, and the choice of frames.
        acoustic_frames: Acoustic delay of the model's family, for the derivation only.
        progress: Takes the number of positions done.

    Raises:
        LabError: the model's output differs on the same input, so a difference would mean nothing;
            or it lost replies.
    """
    rng = np.random.default_rng(seed)
    span = positions + positions // 2
    drawn = FIRST_POSITION + np.sort(rng.choice(span, positions, replace=False))
    frames = speech_like(int(drawn[-1]) + WINDOW_FRAMES + 1, rng)
    baseline = list(run(frames))
    if len(baseline) != len(frames):
        raise LabError(
            f"The floor can't be measured: {len(frames)} frames went in, {len(baseline)} replies "
            "came out."
        )
    _, again = _first_differences(baseline, run(frames))
    if again is not None:
        raise LabError(
            "The floor can't be measured: two sessions with the same seed and input differ from "
            f"frame {again} on."
        )
    responses = []
    for done, position in enumerate(int(p) for p in drawn):
        perturbed = frames[: position + WINDOW_FRAMES + 1].copy()
        perturbed[position] = rng.uniform(-0.9, 0.9, FRAME_SAMPLES)
        content, detail = _first_differences(baseline, run(perturbed))
        if detail is not None and detail < position:
            raise LabError(
                f"The floor can't be measured: reply {detail} differs before frame {position}, the "
                "perturbed one, was heard; the model's sessions are not reproducible."
            )
        lags = [None if k is None else k - position for k in (content, detail)]
        responses.append(Response(position, *lags))
        progress(done + 1)
    return Floor(tuple(responses), acoustic_frames)


def _first_differences(
    baseline: list[Said], replies: Iterator[Said]
) -> tuple[int | None, int | None]:
    """Indices of the first reply that differs in content (the search stops there), and at all."""
    detail = None
    for index, (was, reply) in enumerate(zip(baseline, replies, strict=False)):
        if _same_audio(was.pcm, reply.pcm):
            continue
        detail = index if detail is None else detail
        if not (was.codes and reply.codes) or was.codes[0] != reply.codes[0]:
            return index, detail
    return None, detail


def _same_audio(was: Pcm | None, reply: Pcm | None) -> bool:
    if was is None or reply is None:
        return was is reply
    return np.array_equal(was, reply)
