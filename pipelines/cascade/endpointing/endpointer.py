"""From sound and words to events: the user begins, is probably done, goes on, is done.

A turn is over as soon as no wait is expected to cost less than an answer now
(`pipelines.cascade.endpointing.waiting`). A prediction is worth less: it wakes the language model,
and nothing of it is heard before. Pure: time is counted in samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from pipelines.cascade.endpointing.model import EndOfTurnModel, inputs
from pipelines.cascade.endpointing.track import RATE_HZ, VOICE, Confidence, Ending, SpeechTrack
from pipelines.cascade.endpointing.words import whole
from pipelines.engines.options import TurnOptions

Happened = Literal["hold", "resume", "begins", "predicted", "goes_on", "over"]
"""hold: the user may be interrupting, and the agent should fall silent; resume: he was not.
begins: the user's turn begins. predicted, goes_on, over: it is probably over, it is not, it is."""
_GO_ON = "mm mhm hm hmm uh huh um yeah yes yep right okay ok sure i see ah oh aha good great well"
BACKCHANNELS = frozenset(_GO_ON.split())
"""Words with which a listener says: go on."""
_STOP = "stop wait no hold hey quiet enough cancel halt excuse sorry never"
INTERRUPTING = frozenset(_STOP.split())
"""Words with which an interruption begins, though it may be short."""
_FEW_WORDS = 2
"""Most words of a short sound that is taken for a backchannel, whatever the recogniser makes of it:
it often knows no "mm-hm"."""


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """When to predict, when to commit, and when a sound is an interruption."""

    cut_off_cost_ms: float = 12000.0
    """What an interruption of the user costs, in ms of waiting."""
    noticed_cost_ms: float = 1500.0
    """What it costs that the user notices a wait, in ms of waiting."""
    predict_from: float = 0.35
    """Least probability at which an answer is begun."""
    predict_silence_ms: float = 60.0
    """Silence before the first prediction, ms."""
    wordless_ms: float = 300.0
    """Silence after a sound without words at which the recogniser is asked for its last word: some
    know a short utterance only then, ms."""
    longest_wait_ms: float = 2200.0
    """Silence that ends any turn that has words, ms."""
    commits: bool = True
    """Whether a turn is ever over; else its end is only estimated."""
    start_ms: float = 96.0
    """Voice that starts a turn while the agent is silent, ms."""
    hold_ms: float = 96.0
    """Voice for which the agent falls silent until it is clear what it is, ms; 0: it never does."""
    barge_in_ms: float = 600.0
    """Voice within a second that interrupts the agent: a backchannel is shorter, ms."""
    resume_ms: float = 160.0
    """Silence after a backchannel for which the agent goes on, ms."""

    @classmethod
    def of(cls, turns: TurnOptions) -> Self:
        """Those of a preset's ``[turns]``."""
        return cls(
            cut_off_cost_ms=turns.eager_cut_off_cost_ms,
            noticed_cost_ms=turns.eager_noticed_cost_ms,
            predict_from=turns.eager_predict_from,
            longest_wait_ms=turns.eager_longest_wait_secs * 1000,
            hold_ms=turns.eager_hold_ms,
        )


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
        self._open = self._held = False
        self.probability = 0.0
        """The newest estimate that the turn is over; 0 while the user speaks."""

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
            happened = self._start()
            self._open = happened == "begins"
            return happened
        if self._predicted and self._track.voice >= VOICE and self._track.silence_ms == 0:
            self._predicted = self._over = False
            return "goes_on"
        return self._ends()

    def _start(self) -> Happened | None:
        """Whether the user begins a turn, and whether the agent holds its speech for him."""
        options, voiced_ms = self._options, self._track.voiced_ms
        if not self.agent_speaks:
            return "begins" if voiced_ms >= options.start_ms else self._let_go()
        words = [w for w in self._text.split() if w not in BACKCHANNELS]
        if self._track.spoken_ms >= options.barge_in_ms or INTERRUPTING.intersection(words):
            return "begins"
        if not self._held:
            self._held = 0 < options.hold_ms <= voiced_ms
            return "hold" if self._held else None
        if self._track.unvoiced_ms < options.resume_ms:
            return None
        return "begins" if len(words) > _FEW_WORDS else self._let_go()

    def _let_go(self) -> Happened | None:
        was_held, self._held = self._held, False
        return "resume" if was_held else None

    def _ends(self) -> Happened | None:
        options, silence_ms = self._options, self._track.silence_ms
        if silence_ms < options.predict_silence_ms or self._track.voice >= VOICE:
            self.probability = 0.0
            return None
        if self._over:
            return None
        if not self._text:
            if self._predicted or silence_ms < options.wordless_ms:
                return None
            self._predicted = True
            return "predicted"
        if self._ending is None or self._track.last_sound != self._loud_at:
            self._ending, self._loud_at = self._track.ending(), self._track.last_sound
        unchanged_s = (self._track.samples - self._changed_at) / RATE_HZ
        self.probability = self._model.probability(
            inputs(self._track, self._ending, unchanged_s, self._whole)
        )
        over = options.commits and (
            silence_ms >= options.longest_wait_ms
            or not self._model.pauses.worth_waiting(
                self.probability,
                silence_ms / 1000,
                options.cut_off_cost_ms / 1000,
                options.noticed_cost_ms / 1000,
            )
        )
        if over and self._predicted:
            self._over = True
            return "over"
        if not self._predicted and (over or self.probability >= options.predict_from):
            self._predicted = True
            return "predicted"
        return None
