"""From sound and words to four events: the user begins, is probably done, goes on, is done.

A decision costs an interruption if it is wrong, and waiting costs time if it is right. So the turn
is committed as soon as ``C · (1 − p) ≤ w · p``: C is what an interruption costs, in ms of waiting,
and w what one more wait is expected to cost. A prediction is worth less: it wakes the language
model, and nothing of it is heard before the commit. Pure: time is counted in samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.cascade.endpointing.model import EndOfTurnModel, inputs
from pipelines.cascade.endpointing.track import RATE_HZ, VOICE, Confidence, Ending, SpeechTrack
from pipelines.cascade.endpointing.words import whole

Happened = Literal["begins", "predicted", "goes_on", "over"]
_GO_ON = "mm mhm hm hmm uh huh um yeah yes yep right okay ok sure i see ah oh aha good great well"
BACKCHANNELS = frozenset(_GO_ON.split())
"""Words with which a listener says: go on."""


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """When to predict, when to commit, and when a sound is an interruption."""

    cut_off_cost_ms: float = 2700.0
    """What an interruption of the user costs, in ms of waiting."""
    wait_cost_ms: float = 300.0
    """What one more wait is expected to cost, ms."""
    predict_from: float = 0.35
    """Least probability at which an answer is begun."""
    predict_silence_ms: float = 60.0
    """Silence before the first prediction, ms."""
    longest_wait_ms: float = 900.0
    """Silence that ends any turn that has words, ms."""
    start_ms: float = 96.0
    """Voice that starts a turn while the agent is silent, ms."""
    barge_in_ms: float = 450.0
    """Voice that stops the agent though no word was understood yet, ms."""

    @property
    def commit_from(self) -> float:
        """Least probability at which the turn is over."""
        return self.cut_off_cost_ms / (self.cut_off_cost_ms + self.wait_cost_ms)


class Endpointer:
    """One conversation's ends of turns.

    Args:
        model: The weights.
        confidence: The voice detector: (512,) int16 → 0–1.
        options: When to predict and when to commit.
    """

    def __init__(
        self, model: EndOfTurnModel, confidence: Confidence, options: EndpointOptions
    ) -> None:
        self._model = model
        self._options = options
        self._track = SpeechTrack(confidence)
        self._begin()
        self.agent_speaks = False
        """Set from outside: words are then needed for an interruption."""

    def _begin(self) -> None:
        self._text, self._whole = "", 0.0
        self._changed_at = self._track.samples
        self._ending: Ending | None = None
        self._loud_at = -1
        self._predicted = self._over = False
        self._open = False
        self.probability = 0.0
        """The newest estimate that the turn is over."""

    @property
    def hears_voice(self) -> bool:
        """Whether an utterance may have begun: the recogniser should listen."""
        return self._track.voiced_ms >= 2 * 32

    @property
    def silence_ms(self) -> float:
        """Time since the last sound of the utterance, ms."""
        return self._track.silence_ms

    def words(self, text: str, *, final: bool = False) -> None:
        """Takes the newest transcript of the whole utterance.

        Args:
            text: The words so far.
            final: Whether it is the recogniser's last word on the same sound (or its word after
                the user fell quiet), which says nothing of the user's having spoken on.
        """
        if text != self._text:
            if not final:
                self._changed_at = self._track.samples
            self._text = text
            self._whole = whole(text, self._model.words)

    def forget(self) -> None:
        """Drops the utterance: it was nothing, or is over."""
        self._track.begin()
        self._begin()

    def feed(self, pcm: NDArray[np.int16]) -> Happened | None:
        """Takes (n,) int16 at 16 kHz; returns what happened, at most one thing."""
        self._track.feed(pcm)
        if not self._open:
            if not self._begins():
                return None
            self._open = True
            return "begins"
        if self._predicted and self._track.voice >= VOICE and self._track.silence_ms == 0:
            self._predicted = self._over = False
            return "goes_on"
        return self._ends()

    def _begins(self) -> bool:
        options, voiced_ms = self._options, self._track.voiced_ms
        if not self.agent_speaks:
            return voiced_ms >= options.start_ms
        said = [w for w in self._text.split() if w not in BACKCHANNELS]
        return bool(said) or voiced_ms >= options.barge_in_ms

    def _ends(self) -> Happened | None:
        options, silence_ms = self._options, self._track.silence_ms
        if silence_ms < options.predict_silence_ms or self._track.voice >= VOICE:
            return None
        if not self._text or self._over:
            return None
        if self._ending is None or self._track.last_sound != self._loud_at:
            self._ending, self._loud_at = self._track.ending(), self._track.last_sound
        unchanged_s = (self._track.samples - self._changed_at) / RATE_HZ
        self.probability = self._model.probability(
            inputs(self._track, self._ending, unchanged_s, self._whole)
        )
        over = self.probability >= options.commit_from or silence_ms >= options.longest_wait_ms
        if over and self._predicted:
            self._over = True
            return "over"
        if not self._predicted and (over or self.probability >= options.predict_from):
            self._predicted = True
            return "predicted"
        return None
