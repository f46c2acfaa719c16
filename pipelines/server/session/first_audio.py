"""How long the user waited for the agent's first sound; a filler is no answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.clock import NS_PER_MS
from pipelines.server.session.events import AudioOut, LatencyMark

AUDIBLE = 104
"""Least peak of a chunk that is heard, in int16: −50 dBFS, the limit of the lab's ear."""


def is_audible(pcm: bytes) -> bool:
    """Whether a chunk holds a sound."""
    samples = np.frombuffer(pcm, np.int16)
    return bool(len(samples)) and bool((samples.max() >= AUDIBLE) or (samples.min() <= -AUDIBLE))


@dataclass(slots=True)
class FirstAudio:
    """Counts from the end of the user's speech to the agent's first sound.

    The end is what the pipeline's VAD says, less the silence for which it waited.
    """

    _user_off_ns: int | None = None
    _filled: bool = False

    def user_stopped(self, t_ns: int) -> None:
        """The user's last sound was at ``t_ns``."""
        self._user_off_ns, self._filled = t_ns, False

    def user_started(self) -> None:
        """The user speaks again: nobody waits."""
        self._user_off_ns = None

    def hear(self, chunk: AudioOut) -> LatencyMark | None:
        """The latency that an audible chunk ends, if it is the first.

        Args:
            chunk: Audible.
        """
        if self._user_off_ns is None:
            return None
        ms = (chunk.t_ns - self._user_off_ns) / NS_PER_MS
        if chunk.is_filler:
            if self._filled:
                return None
            self._filled = True
            return LatencyMark(chunk.t_ns, "first_filler", ms)
        self._user_off_ns = None
        return LatencyMark(chunk.t_ns, "first_audio", ms)
