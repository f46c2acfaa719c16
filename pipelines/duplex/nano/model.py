"""duplex-nano: a small full-duplex model of our own that converses on one core, without torch.

Its ear, its language model and its voice are ONNX graphs with their state outside, so that a
session is a few arrays: a fresh one has nothing of the last, and every frame costs the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.clock import monotonic_ns
from pipelines.duplex.nano.ear import NanoEar
from pipelines.duplex.nano.files import SPECIAL, NanoWeights, read
from pipelines.duplex.nano.lm import Codes, NanoLm, Vector
from pipelines.duplex.nano.text import ForcedWords, piece_of
from pipelines.duplex.nano.voice import NanoVoice
from pipelines.duplex.session.model import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Advance,
    Capabilities,
    Pcm,
    Step,
)
from pipelines.weights.error import WeightsError

if TYPE_CHECKING:
    pass


class NanoDuplex:
    """A `DuplexModel`; any number of sessions can be open, each with a state of its own."""

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES
    capabilities = Capabilities(text_stream=True, forced_text=True)

    def __init__(
        self, *, config: str, temperature: float = 0.8, text_temperature: float = 0.7
    ) -> None:
        """Describes the model; nothing is loaded yet.

        Args:
            config: Path of ``nano.json``; the other files lie beside it.
            temperature: Temperature of the audio tokens; 0 is greedy.
            text_temperature: Temperature of the text tokens; 0 is greedy.
        """
        self._folder = Path(config).parent
        self.temperature, self.text_temperature = temperature, text_temperature

    def load(self) -> None:
        """See `DuplexModel.load`."""
        self.weights: NanoWeights = read(self._folder)
        self.ear, self.voice = NanoEar(self._folder), NanoVoice(self._folder)
        self.lm = NanoLm(self._folder)
        if self.lm.words != len(self.weights.words) + SPECIAL:
            raise WeightsError(
                f"{self._folder} has a vocabulary of {len(self.weights.words)} words and a "
                f"language model of {self.lm.words - SPECIAL}: they are of two models; take the "
                "folder from the repository again"
            )
        if self.lm.vector != self.ear.width:
            raise WeightsError(
                f"{self._folder} has an ear that says {self.ear.width} numbers a frame and a "
                f"language model that hears {self.lm.vector}: they are of two models; take the "
                "folder from the repository again"
            )

    @contextmanager
    def open(self, seed: int = 0) -> Iterator[NanoSession]:
        """See `DuplexModel.open`."""
        yield NanoSession(self, seed)


class NanoSession:
    """A `StagedSession`."""

    def __init__(self, model: NanoDuplex, seed: int) -> None:
        self._words = model.weights.words
        self._forced = ForcedWords(self._words, model.weights.word_frames)
        self._ear, self._voice = model.ear.open(), model.voice.open()
        self._lm = model.lm.open(
            seed,
            temperature=model.temperature,
            text_temperature=model.text_temperature,
            eagerness=model.weights.eagerness,
        )

    @property
    def state_bytes(self) -> int:
        """Bytes of the language model's state; constant."""
        return self._lm.state_bytes

    def say(self, text: str) -> None:
        """See `DuplexSession.say`; each word when the model would go on."""
        self._forced.queue(text)

    def step(self, pcm: Pcm) -> Step:
        """See `DuplexSession.step`."""
        began = monotonic_ns()
        vector = self.encode(pcm)
        encoded = monotonic_ns()
        advance = self.advance(vector)
        stepped = monotonic_ns()
        spans = {"encode": (began, encoded), "step": (encoded, stepped)}
        said: Pcm | None = None
        if advance.codes is not None:
            said = self.decode(advance.codes)
            spans["decode"] = (stepped, monotonic_ns())
        return Step(said, advance.text, advance.ids, spans, advance.forced)

    def encode(self, pcm: Pcm) -> Vector:
        """See `StagedSession.encode`: the vector that the language model hears."""
        vector: Vector = self._ear.vectors(pcm)[0]
        return vector

    def advance(self, codes: Vector) -> Advance:
        """See `StagedSession.advance`."""
        asked = self._forced.ask()
        if asked is None:
            token, said = self._lm.step(codes)
        elif asked.at_once:
            token, said = self._lm.step(codes, asked.token)
        else:
            token, said = self._lm.step_or_wait(codes, asked.token)
        if asked is not None:
            self._forced.said(token)
        ids = (token,) if said is None else (token, *(int(code) for code in said))
        text = piece_of(token, self._words)
        return Advance(said, text, ids, asked is not None and bool(text))

    def decode(self, codes: Codes) -> Pcm:
        """See `StagedSession.decode`."""
        return self._voice.say(codes[None])
