"""The recogniser and the voice detector in this process: for methods that are tried on recordings.

In a pipeline the recogniser runs in a child (`pipelines.cascade.eager`); here a recording is heard
as fast as it can be, 20 ms at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pipecat.audio.vad.silero import SileroVADAnalyzer

from pipelines.cascade.endpointing.track import RATE_HZ
from pipelines.engines.stt.pocketsphinx import PocketSphinxEngine, _text


class Heard:
    """What the recogniser makes of one speaker's sound, piece by piece."""

    def __init__(self, engine: PocketSphinxEngine) -> None:
        self._decoder: Any = engine._decoder
        self._fresh = engine._fresh_cmn
        self._open = False
        self._begin()

    @property
    def listens(self) -> bool:
        """Whether it hears more: not after its last word."""
        return self._open

    def close(self) -> None:
        """Leaves the recogniser to the next speaker."""
        if self._open:
            self._decoder.end_utt()
        self._open = False

    def _begin(self) -> None:
        self.close()
        self._decoder.set_cmn(self._fresh)
        self._decoder.start_utt()
        self._open = True

    def feed(self, pcm: NDArray[np.int16]) -> str:
        """Takes (n,) int16; returns the words so far."""
        self._decoder.process_raw(pcm.tobytes(), False, False)
        return _text(self._decoder)

    def final(self) -> str:
        """Its last word about what it has heard."""
        self._decoder.end_utt()
        self._open = False
        return _text(self._decoder)

    def again(self, pcm: NDArray[np.int16]) -> str:
        """Hears (n,) int16 anew, as the beginning of an utterance."""
        self._begin()
        return self.feed(pcm)


class Ear:
    """The recogniser and the voice detector, as in the pipeline."""

    def __init__(self) -> None:
        self._engine = PocketSphinxEngine(fwdflat=False)
        self._engine.load()
        self._vad = SileroVADAnalyzer()
        self._vad.set_sample_rate(RATE_HZ)
        self._hearing: Heard | None = None

    def confidence(self, window: NDArray[np.int16]) -> float:
        """Silero's, 0–1, of (512,) int16."""
        return float(np.asarray(self._vad.voice_confidence(window.tobytes())).item())

    def forget(self) -> None:
        """What the voice detector heard before is nothing to it: a new speaker begins."""
        self._vad._model.reset_states()  # type: ignore[no-untyped-call]

    def listen(self) -> Heard:
        """Begins with a new speaker."""
        self.forget()
        if self._hearing:
            self._hearing.close()
        self._hearing = Heard(self._engine)
        return self._hearing
