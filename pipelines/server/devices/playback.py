"""The agent's audio on its way to a speaker: a queue that a card's thread empties."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from pipelines.clock import samples_to_ns
from pipelines.server.devices.card import Floats

AUDIBLE = 104 / 32_768
"""Least peak of a sound, as `pipelines.server.session.first_audio` has it: −50 dBFS."""
MOST_AHEAD_MS = 200
"""Audio that may wait before silence is left out, ms: a card's clock may be slower than ours."""

Sounds = Callable[[int, int], None]
"""Takes the start and the end of a sound of the speaker's, ns; on the card's thread."""


class Playback:
    """The queue of one speaker.

    Args:
        rate_hz: The speaker's rate.
        sounds: Is told what is heard.
    """

    def __init__(self, rate_hz: int, sounds: Sounds) -> None:
        self.rate_hz = rate_hz
        self._sounds = sounds
        self._waiting: deque[Floats] = deque()
        self._lock = threading.Lock()
        self._samples = 0

    @property
    def waiting_ms(self) -> float:
        """Audio that waits, ms."""
        return 1000 * self._samples / self.rate_hz

    def put(self, pcm: Floats) -> None:
        """Takes a piece of the agent's audio, (n,)."""
        if not len(pcm) or (self.waiting_ms >= MOST_AHEAD_MS and not _audible(pcm).any()):
            return
        with self._lock:
            self._waiting.append(pcm)
            self._samples += len(pcm)

    def clear(self) -> None:
        """Drops what waits: the agent was interrupted."""
        with self._lock:
            self._waiting.clear()
            self._samples = 0

    def fill(self, samples: int, start_ns: int) -> Floats:
        """The next samples, silence where there are none.

        Args:
            samples: Number of them.
            start_ns: When the first of them will sound.

        Returns:
            (samples,) float32.
        """
        block = np.zeros(samples, np.float32)
        at = 0
        with self._lock:
            while at < samples and self._waiting:
                piece = self._waiting.popleft()
                taken = piece[: samples - at]
                block[at : at + len(taken)] = taken
                at += len(taken)
                if len(taken) < len(piece):
                    self._waiting.appendleft(piece[len(taken) :])
            self._samples -= at
        heard = np.flatnonzero(_audible(block))
        if len(heard):
            first = samples_to_ns(int(heard[0]), self.rate_hz)
            last = samples_to_ns(int(heard[-1]) + 1, self.rate_hz)
            self._sounds(start_ns + first, start_ns + last)
        return block


def _audible(pcm: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.abs(pcm) >= AUDIBLE
