"""Methods that say when a turn is over, a row each: to be tried on the same recordings.

A method makes a `Listener` for each turn. It is fed 20 ms at a time, and knows nothing of what
comes later. Where its own policy takes the turn for over, it goes on as with a new one.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams, VADState

from pipelines.cascade.endpointing.endpointer import Endpointer, EndpointOptions
from pipelines.cascade.endpointing.hearing import Ear
from pipelines.cascade.endpointing.model import WEIGHTS, EndOfTurnModel
from pipelines.cascade.endpointing.track import RATE_HZ
from pipelines.engines.options import TurnOptions
from pipelines.errors import SpecError
from pipelines.spec import PipelineSpec

CHUNK = 320
"""Samples of a piece of sound: 20 ms at 16 kHz."""
_COMPLETE = 0.5
"""Probability above which Pipecat takes smart-turn's verdict for complete."""
_SMART_TURN_HEARS = 8 * RATE_HZ
_BEFORE_NEW_TURN = RATE_HZ // 5

Pcm = NDArray[np.int16]


class Listener(Protocol):
    """One turn, heard by a method."""

    def feed(self, chunk: Pcm) -> bool:
        """Takes (320,) int16 at 16 kHz; returns whether its policy takes the turn for over now."""

    def probability(self) -> float:
        """That the turn is over, 0–1, by all that was heard so far."""


@dataclass(frozen=True, slots=True)
class Method:
    """A row: a method and its policy."""

    name: str
    """Its name in tables."""
    what: str
    """What it is, in a few words."""
    listener: Callable[[], Listener]
    """Makes a listener that follows the method's own policy."""
    settings: Callable[[], str]
    """Its numbers, as text: results of others are not its own."""
    scorer: Callable[[], Listener]
    """Makes a listener that only estimates and never takes a turn for over."""
    has_policy: bool = True
    """False for a model that is asked and decides nothing."""


class VadListener:
    """Silence of the voice detector for a time, by Pipecat's own state machine.

    Args:
        params: Those of Pipecat's detector.
        timeout_s: Silence after the detector's stop in which the user may go on.
    """

    def __init__(self, params: VADParams, timeout_s: float = 0.0) -> None:
        self._vad = SileroVADAnalyzer(params=params)
        self._vad.set_sample_rate(RATE_HZ)
        self._timeout = round(timeout_s * RATE_HZ)
        self._spoke = self._stopped = False
        self._since_stop = 0

    def feed(self, chunk: Pcm) -> bool:
        """See `Listener`."""
        speaking = self._vad._run_analyzer(chunk.tobytes()) in (
            VADState.SPEAKING,
            VADState.STOPPING,
        )
        was_over = self.probability() > 0
        if speaking:
            self._spoke, self._stopped, self._since_stop = True, False, 0
        elif self._spoke:
            self._since_stop = self._since_stop + len(chunk) if self._stopped else 0
            self._stopped = True
        return self.probability() > 0 and not was_over

    def probability(self) -> float:
        """1 after the silence, 0 before."""
        return float(self._stopped and self._since_stop >= self._timeout)


class SmartTurnListener:
    """smart-turn v3.2 as Pipecat ships it, asked about all that was said: it decides nothing."""

    def __init__(self) -> None:
        self._model = _smart_turn()
        self._pcm: list[Pcm] = []

    def feed(self, chunk: Pcm) -> bool:
        """See `Listener`."""
        self._pcm.append(chunk)
        return False

    def probability(self) -> float:
        """The model's answer, which takes it some 50 ms."""
        heard = np.concatenate(self._pcm)[-_SMART_TURN_HEARS:]
        return float(self._model._predict_endpoint(heard.astype(np.float32) / 32768)["probability"])


class PipecatListener:
    """Pipecat's default: smart-turn is asked once at the detector's stop, or 3 s go by.

    Args:
        params: Those of Pipecat's detector.
        stop_s: Silence that ends a turn which the model calls incomplete.
        forgets: Whether a turn that is over is no part of the next: false where only the estimate
            is wanted.
    """

    def __init__(self, params: VADParams, stop_s: float = 3.0, *, forgets: bool = True) -> None:
        self._vad = VadListener(params)
        self._forgets = forgets
        self._asked = SmartTurnListener()
        self._stop = round(stop_s * RATE_HZ)
        self._answer = 0.0
        self._silent = 0

    def feed(self, chunk: Pcm) -> bool:
        """See `Listener`."""
        before = self.probability() > _COMPLETE
        self._asked.feed(chunk)
        if self._vad.feed(chunk):
            self._answer, self._silent = self._asked.probability(), 0
        elif self._vad.probability():
            self._silent += len(chunk)
        else:
            self._answer, self._silent = 0.0, 0
        over = self.probability() > _COMPLETE and not before
        if over and self._forgets:
            self._asked = SmartTurnListener()
        return over

    def probability(self) -> float:
        """0 before the detector's stop, then the model's answer, 1 after its patience."""
        return 1.0 if self._silent >= self._stop else self._answer


class EagerListener:
    """Ours: `Endpointer`, with the shipped recogniser."""

    def __init__(self, ear: Ear, model: EndOfTurnModel, options: EndpointOptions) -> None:
        self._ends = Endpointer(model, ear.confidence, options)
        self._heard = ear.listen()
        self._pcm: list[Pcm] = []
        self.predictions = 0
        """Answers that were begun."""
        self.withdrawn = 0
        """… of which were dropped."""
        self.text = ""
        """The newest transcript."""

    def feed(self, chunk: Pcm) -> bool:
        """See `Listener`."""
        self._pcm.append(chunk)
        happened = self._ends.feed(chunk)
        if self._heard.listens:
            self._hear(self._heard.feed(chunk))
        if happened == "predicted":
            self.predictions += 1
            self._hear(self._heard.final(), final=True)
        elif happened == "goes_on":
            self.withdrawn += 1
            self._hear(self._heard.again(np.concatenate(self._pcm)))
        elif happened == "over":
            self._ends.forget()
            self._pcm = [np.concatenate(self._pcm)[-_BEFORE_NEW_TURN:]]
            self._heard.again(self._pcm[0])
        return happened == "over"

    def _hear(self, text: str, *, final: bool = False) -> None:
        self.text = text
        self._ends.words(text, final=final)

    def probability(self) -> float:
        """The model's newest estimate; 0 while it hears voice."""
        return self._ends.probability


def _vad_method(name: str, what: str, params: VADParams, timeout_s: float = 0.0) -> Method:
    def make() -> VadListener:
        return VadListener(params, timeout_s)

    return Method(name, what, make, lambda: f"{params} {timeout_s}", make)


def _pipecat_method(name: str, what: str, params: VADParams, stop_s: float = 3.0) -> Method:
    return Method(
        name,
        what,
        lambda: PipecatListener(params, stop_s),
        lambda: f"{params} {stop_s}",
        lambda: PipecatListener(params, stop_s, forgets=False),
    )


def _eager_method(name: str, what: str, options: EndpointOptions) -> Method:
    unhurried = replace(options, commits=False)

    def maker(of: EndpointOptions) -> Callable[[], Listener]:
        return lambda: EagerListener(_ear(), EndOfTurnModel.shipped(), of)

    def settings() -> str:
        return f"{options} {hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}"

    return Method(name, what, maker(options), settings, maker(unhurried))


METHODS: tuple[Method, ...] = (
    _vad_method("vad-200", "Silero, silent for 0.2 s", VADParams(stop_secs=0.2)),
    _vad_method("vad-600", "Silero, silent for 0.6 s", VADParams(stop_secs=0.6)),
    Method(
        "smart-turn",
        "smart-turn v3.2, asked at every 0.1 s",
        SmartTurnListener,
        str,
        SmartTurnListener,
        has_policy=False,
    ),
    _pipecat_method("pipecat", "Pipecat's default: Silero, then smart-turn v3.2", VADParams()),
    _eager_method("eager", "words, silence and voice: cascade-eager", EndpointOptions()),
)
"""The rows, in the order of the tables."""
NAMES = tuple(row.name for row in METHODS)


def of_preset(spec: PipelineSpec) -> Method:
    """The method that a cascade's preset uses, with the preset's numbers.

    Raises:
        SpecError: the preset finds no ends of turns by a method of ours.
    """
    turns = spec.stages.get("turns")
    if not isinstance(turns, TurnOptions):
        raise SpecError(
            f"{spec.name}: only a cascade says by [turns] how the end of a turn is found; its "
            f"architecture is {spec.architecture}."
        )
    vad = VADParams(
        confidence=turns.vad_confidence,
        start_secs=turns.vad_start_secs,
        stop_secs=turns.vad_stop_secs,
        min_volume=turns.vad_min_volume,
    )
    what = f"as {spec.name}"
    if turns.preset == "stock":
        return _pipecat_method(spec.name, what, VADParams())
    if turns.preset == "smart-turn":
        return _pipecat_method(spec.name, what, vad, turns.smart_turn_stop_secs)
    if turns.preset == "vad":
        return _vad_method(spec.name, what, vad, turns.speech_timeout_secs)
    return _eager_method(spec.name, what, EndpointOptions.of(turns))


def find(name: str) -> Method | None:
    """The row of a name; None where there is none."""
    return next((row for row in METHODS if row.name == name), None)


@functools.cache
def _ear() -> Ear:
    """One recogniser, which takes a second to load, for all turns of this process."""
    return Ear()


@functools.cache
def _smart_turn() -> LocalSmartTurnAnalyzerV3:
    model = LocalSmartTurnAnalyzerV3()
    model.set_sample_rate(RATE_HZ)
    return model
