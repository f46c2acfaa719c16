"""Pipecat's Silero, whose network is loaded once a process and shared by its conversations.

Pipecat loads it for each conversation: measured, 40 ms in which every other conversation waits, and
10 MB that are kept until the garbage collector has looked through all. The network has no state;
what a conversation has of its own (the recurrent state, the counters) each analyser keeps.
"""

from __future__ import annotations

import copy
from functools import cache

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams


class SharedSilero(SileroVADAnalyzer):
    """`SileroVADAnalyzer` in all it does, on the process' one network.

    Args:
        sample_rate: Rate of the audio, 8,000 or 16,000 Hz; None: told later.
        params: Of the detector.
    """

    def __init__(self, *, sample_rate: int | None = None, params: VADParams | None = None) -> None:
        VADAnalyzer.__init__(self, sample_rate=sample_rate, params=params)
        loaded, own = vars(_loaded()), vars(self)
        own.update({name: value for name, value in loaded.items() if name not in own})
        self._model = copy.copy(self._model)  # its session is the same, its state is not
        self._model.reset_states()  # type: ignore[no-untyped-call]


@cache
def _loaded() -> SileroVADAnalyzer:
    """One that nobody feeds."""
    return SileroVADAnalyzer()
