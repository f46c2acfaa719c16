"""Duplex models that replace real ones in tests and drills: an echo, and one that fails."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from pipelines.duplex.session.model import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Advance,
    Capabilities,
    ContextEndError,
    Pcm,
    Step,
)

Fault = Literal["none", "crash", "hang", "raise", "decode", "shape", "nan"]


class EchoModel:
    """Repeats the audio of ``delay_frames`` steps ago: step t gives input frame t − d.

    Its algorithmic latency is known: sound that enters with frame t leaves with frame t + d.
    """

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES
    capabilities = Capabilities(text_stream=True, forced_text=True)

    def __init__(
        self,
        *,
        delay_frames: int = 0,
        encode_ms: float = 0.0,
        step_ms: float = 0.0,
        decode_ms: float = 0.0,
        noise: float = 0.0,
        context_frames: int = 0,
        fault: Fault = "none",
        fault_frame: int = 0,
    ) -> None:
        """Describes the model.

        Args:
            delay_frames: d above; the first d steps give no audio.
            encode_ms: Sleep of encoding a frame.
            step_ms: Sleep of a step.
            decode_ms: Sleep of decoding a frame.
            noise: Level of seeded noise that is added to the echo: the model's "sampling".
            context_frames: Number of steps of a session's context; 0: no end.
            fault: Kind of fault.
            fault_frame: Step of a session with the fault.
        """
        self.delay_frames = delay_frames
        self.times_s = (encode_ms / 1e3, step_ms / 1e3, decode_ms / 1e3)
        self.noise = noise
        self.context_frames = context_frames
        self.fault = fault
        self.fault_frame = fault_frame

    def load(self) -> None:
        """Nothing to load."""

    @contextmanager
    def open(self, seed: int = 0) -> Iterator[EchoSession]:
        """A fresh session."""
        yield EchoSession(self, seed)


class EchoSession:
    """One conversation with `EchoModel`."""

    def __init__(self, model: EchoModel, seed: int) -> None:
        self._model = model
        self._random = np.random.default_rng(seed)
        self._past: deque[Pcm] = deque()
        self._words: deque[str] = deque()
        self._step = 0
        self._decoded = 0

    def step(self, pcm: Pcm) -> Step:
        """See `pipelines.duplex.session.model.DuplexSession`."""
        advance = self.advance(self.encode(pcm))
        said = self.decode(advance.codes) if advance.codes is not None else None
        return Step(said, advance.text, advance.ids, forced=advance.forced)

    def say(self, text: str) -> None:
        """Queues the text's words, one a frame."""
        self._words.extend(f" {word}" for word in text.split())

    def encode(self, pcm: Pcm) -> Pcm:
        """See `pipelines.duplex.session.model.StagedSession`."""
        _sleep(self._model.times_s[0])
        return pcm.copy()

    def advance(self, codes: Pcm) -> Advance:
        """See `pipelines.duplex.session.model.StagedSession`."""
        model = self._model
        if model.context_frames and self._step >= model.context_frames:
            raise ContextEndError
        if self._step == model.fault_frame:
            _fail(model.fault)
        self._step += 1
        _sleep(model.times_s[1])
        self._past.append(codes)
        late = self._past.popleft() if len(self._past) > model.delay_frames else None
        word = self._words.popleft() if self._words else ""
        return Advance(late, word, (len(word),), forced=bool(word))

    def decode(self, codes: Pcm) -> Pcm:
        """See `pipelines.duplex.session.model.StagedSession`."""
        model = self._model
        _sleep(model.times_s[2])
        said = codes
        if model.noise:
            said = said + model.noise * self._random.standard_normal(FRAME_SAMPLES, np.float32)
        if self._decoded == model.fault_frame:
            if model.fault == "decode":
                raise RuntimeError("the codec broke")
            if model.fault == "shape":
                said = said[1:]
            if model.fault == "nan":
                said = said * np.float32("nan")
        self._decoded += 1
        return said


def _sleep(time_s: float) -> None:
    if time_s:
        time.sleep(time_s)


def _fail(fault: Fault) -> None:
    if fault == "crash":
        print("the model is about to crash", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hang":
        threading.Event().wait()
    if fault == "raise":
        raise RuntimeError("the model broke")
