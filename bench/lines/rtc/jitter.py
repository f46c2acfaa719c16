"""What the receiver's jitter buffer does to a call, as arithmetic. Pure.

A track gives frames for ever, silence among them. What is late once would make all after it late
for ever, if the ear queued it: so a frame of silence is cut by what is queued, as the players of
browsers do it. What the buffer itself holds back is not touched, but said: see `DelayWatch`.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from pipelines.clock import NS_PER_MS, ns_to_samples, samples_to_ns
from pipelines.marks import EventName

SILENT = 20
"""|sample| up to which a frame is silent: what Opus makes of zeros stays below."""
BASE_FRAMES = 50
"""Frames at the call's start whose smallest delay is its base."""
LATEST_FRAMES = 25
"""Frames at any time whose smallest delay is the present one: a stall is shorter, a lag is not."""
LAG_MS = 40.0
"""Change of the delay that is reported, ms: two packets."""


class SilenceTrimmer:
    """Cuts silent frames by the audio that the ear has queued.

    Args:
        rate_hz: Rate of the audio.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._end_ns: int | None = None
        """Time at which all that was passed on will have been heard; None: the recording has not
        begun."""
        self._early = 0
        """Samples that were passed on before."""

    def begin(self, t0_ns: int) -> None:
        """The recording begins: what came before is heard from here on."""
        if self._end_ns is None:
            self._end_ns = t0_ns + samples_to_ns(self._early, self._rate_hz)

    def take(self, pcm: npt.NDArray[np.int16], at_ns: int) -> npt.NDArray[np.int16]:
        """The part of a frame that is passed on: all of it, or less of silence.

        Args:
            pcm: (n,) samples.
            at_ns: Time at which they arrived.
        """
        is_silent = np.abs(pcm.astype(np.int32)).max(initial=0) <= SILENT
        if self._end_ns is None:
            pcm = pcm[:0] if is_silent else pcm
            self._early += len(pcm)
            return pcm
        queued = ns_to_samples(max(0, self._end_ns - at_ns), self._rate_hz)
        if queued and is_silent:
            pcm = pcm[queued:]
        self._end_ns = max(self._end_ns, at_ns) + samples_to_ns(len(pcm), self._rate_hz)
        return pcm

    def cut(self, at_ns: int) -> None:
        """All that was queued is dropped."""
        if self._end_ns is not None:
            self._end_ns = min(self._end_ns, at_ns)


class DelayWatch:
    """Finds audio that never came, and a delay that stays.

    Args:
        rate_hz: Rate of the audio.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._next = 0
        self._frames = 0
        self._base_ns = 0
        self._told_ms = 0.0
        self._latest: deque[int] = deque(maxlen=LATEST_FRAMES)

    def take(self, position: int, samples: int, at_ns: int) -> list[tuple[EventName, float]]:
        """What a frame shows.

        Args:
            position: Index of its first sample, by its RTP timestamp.
            samples: Its length.
            at_ns: Time at which it arrived.

        Returns:
            Events of the stage ``line``, each with its value.
        """
        found: list[tuple[EventName, float]] = []
        if self._frames and position > self._next:
            gap_ms = (position - self._next) * 1000 / self._rate_hz
            found.append(("audio_lost", gap_ms))
        self._next = position + samples
        delay_ns = at_ns - samples_to_ns(position, self._rate_hz)
        self._latest.append(delay_ns)
        if self._frames < BASE_FRAMES:
            self._base_ns = min(self._base_ns, delay_ns) if self._frames else delay_ns
        elif len(self._latest) == LATEST_FRAMES:
            lag_ms = (min(self._latest) - self._base_ns) / NS_PER_MS
            if abs(lag_ms - self._told_ms) >= LAG_MS:
                self._told_ms = lag_ms
                found.append(("lag", lag_ms))
        self._frames += 1
        return found
