"""A stream's playout behind many jitter buffers at once, for a sweep over pre-rolls.

Each buffer is one column of arrays, and each emission moves all of them on: the arithmetic is that
of `pipelines.audio.jitter.JitterBuffer`, integer by integer, many times faster than one buffer
after the other. A test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.stretch import LEAST_TARGET_MS, MOST_FACTOR
from pipelines.clock import NS_PER_MS, NS_PER_S

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Piece(Protocol):
    """A piece of the stream, as `bench.timeline.replay.Emission`."""

    @property
    def t_ns(self) -> int:
        """Time of emission."""

    @property
    def samples(self) -> int:
        """Its length."""

    @property
    def new_reply(self) -> bool:
        """True where the silence before it was meant."""

    @property
    def clear_ns(self) -> int | None:
        """Time at which what was queued before is cut."""


class Buffers:
    """Jitter buffers side by side, and what each made of a stream.

    A stream's times are taken from its first one on, so that they fit into 64 bits with room for
    samples · ns.
    """

    def __init__(
        self, rate_hz: int, prerolls_ms: Sequence[float], stretched: Sequence[bool], held_ns: int
    ) -> None:
        """Makes empty ones.

        Args:
            rate_hz: Sample rate.
            prerolls_ms: B of each buffer.
            stretched: Whether each stretches what arrives while less than B is queued.
            held_ns: Delay of the stretcher.
        """
        n = len(prerolls_ms)
        self.rate_hz = rate_hz
        self._preroll_ns = np.array([round(ms * NS_PER_MS) for ms in prerolls_ms], dtype=np.int64)
        self._target_ms = np.maximum(np.array(prerolls_ms, np.float64), LEAST_TARGET_MS)
        self._stretched = np.array(stretched, np.bool_)
        self._held_ns = np.where(self._stretched, held_ns, 0).astype(np.int64)
        self.underruns = np.zeros(n, np.int64)
        self.silent_ns = np.zeros(n, np.int64)
        self.played = np.zeros(n, np.int64)
        """Samples that each buffer played, or will."""
        self._run_start_ns = np.zeros(n, np.int64)
        self._run_samples = np.zeros(n, np.int64)
        self._begun = False

    def play(self, pieces: Sequence[Piece]) -> Floats:
        """Plays a whole stream.

        Args:
            pieces: At least one, by time.

        Returns:
            (pieces, buffers) heard − emitted of each piece's first sample, ms.
        """
        t0_ns = pieces[0].t_ns
        delays = np.empty((len(pieces), len(self._held_ns)))
        for i, piece in enumerate(pieces):
            if piece.clear_ns is not None:
                self._clear(piece.clear_ns - t0_ns + self._held_ns)
            t_ns = piece.t_ns - t0_ns
            delays[i] = (self._push(t_ns, piece.samples, piece.new_reply) - t_ns) / NS_PER_MS
        return delays

    def _end_ns(self) -> Ints:
        half = self.rate_hz // 2
        return self._run_start_ns + (self._run_samples * NS_PER_S + half) // self.rate_hz

    def _push(self, t_ns: int, samples: int, new_reply: bool) -> Ints:
        arrival_ns = t_ns + self._held_ns
        if not self._begun:
            self._begun = True
            heard_ns = arrival_ns + self._preroll_ns
            self._run_start_ns = heard_ns
            self._run_samples = np.full(len(heard_ns), samples, np.int64)
            self.played += samples
            return heard_ns
        end_ns = self._end_ns()
        lengths = np.where(self._stretched, self._longer(samples, end_ns, arrival_ns), samples)
        late = arrival_ns > end_ns
        heard_ns = np.where(late, arrival_ns + self._preroll_ns, end_ns)
        if not new_reply:
            self.underruns += late
            self.silent_ns += np.where(late, heard_ns - end_ns, 0)
        self._run_start_ns = np.where(late, heard_ns, self._run_start_ns)
        self._run_samples = np.where(late, lengths, self._run_samples + lengths)
        self.played += lengths
        return heard_ns

    def _longer(self, samples: int, end_ns: Ints, arrival_ns: Ints) -> Ints:
        """The lengths of a piece that is stretched while the queue is short."""
        queued_ms = np.maximum(0, end_ns - arrival_ns) / NS_PER_MS
        lack = np.minimum(1.0, np.maximum(0.0, 1 - queued_ms / self._target_ms))
        lengths: Ints = np.rint(samples * (1 + (MOST_FACTOR - 1) * lack)).astype(np.int64)
        return lengths

    def _clear(self, t_ns: Ints) -> None:
        if not self._begun:
            return
        begun = np.maximum(0, t_ns - self._run_start_ns) * self.rate_hz
        heard = np.minimum(self._run_samples, -(-begun // NS_PER_S))
        self.played -= self._run_samples - heard
        self._run_samples = heard
        start_ns = np.minimum(self._run_start_ns, t_ns)
        self._run_start_ns = np.where(heard == 0, start_ns, self._run_start_ns)
