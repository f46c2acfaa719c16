"""A synthesiser's audio on its way out: pieces, and the marks of its first byte and first sound."""

from __future__ import annotations

from typing import Any

from pipelines.process.engine import Emit

_AUDIBLE = 104
"""−50 dBFS of int16, the limit of audibility in `pipelines.audio.onsets`."""


class PcmOut:
    """The audio of one request."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._heard = False
        self.samples = 0
        """Number of samples sent."""

    def send(self, pcm: bytes, header: dict[str, Any] | None = None) -> None:
        """Sends int16 PCM, with the marks that are due."""
        if self.samples == 0:
            self._emit.mark("tts", "first_byte", value=len(pcm) // 2)
        if not self._heard:
            index = _first_audible(pcm)
            if index is not None:
                self._heard = True
                self._emit.mark("tts", "first_audible", value=self.samples + index)
        self.samples += len(pcm) // 2
        self._emit(header or {}, pcm)

    def end(self) -> None:
        """Ends the audio: all of it came out."""
        self._emit.mark("tts", "end", value=self.samples)


def _first_audible(pcm: bytes) -> int | None:
    """Index of the first sample that reaches the limit: enough for speech, which has no hiss."""
    for index, value in enumerate(memoryview(pcm).cast("h")):
        if abs(value) >= _AUDIBLE:
            return index
    return None
