"""The ear: a virtual loudspeaker as arithmetic. It computes when each sample was heard, exactly.

A chunk is heard from max(arrival, end of the queue); on a clear, audio that was not yet heard is
cut; where the queue was empty there is silence. No thread, no sound card, no sleeping. A pre-roll
makes it a jitter buffer: a chunk that meets silence waits that long (`pipelines.audio.jitter`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.caller.audible import Audible, Span
from pipelines.audio.stretch import LEAST_TARGET_MS, Stretcher, factor_for
from pipelines.clock import NS_PER_MS, NS_PER_S, ns_to_samples, samples_to_ns


@dataclass(slots=True)
class HeardChunk:
    """One arrived chunk, with its times."""

    chunk_id: str
    generation: int
    arrival_ns: int
    heard_ns: int
    """Time at which its first sample is heard (or would have been)."""
    position: int
    """Index of its first sample in the recording (sample 0 = t0)."""
    pcm: npt.NDArray[np.int16]  # (n,)
    heard_samples: int
    """Number of its samples that are heard; the rest was cut by a clear."""


class Ear:
    """One trial's loudspeaker.

    Args:
        rate_hz: The agent's output rate.
        t0_ns: The time of the recording's sample 0.
        preroll_ms: B: wait of a chunk that meets silence, at the start and after an underrun.
        stretch: Whether chunks are made to last longer, pitch kept, while less than B (or 80 ms)
            is queued. For streams without end: what a stretcher holds back is heard with the next
            chunk.
    """

    def __init__(
        self, rate_hz: int, t0_ns: int, preroll_ms: float = 0.0, *, stretch: bool = False
    ) -> None:
        self.rate_hz = rate_hz
        self.t0_ns = t0_ns
        self._preroll_ns = round(preroll_ms * NS_PER_MS)
        self._stretcher = Stretcher(rate_hz) if stretch else None
        self._target_ms = max(preroll_ms, LEAST_TARGET_MS)
        self.chunks: list[HeardChunk] = []
        self.cleared: list[tuple[int, str, int]] = []
        """(t_ns, chunk id, samples) of everything that was never heard."""
        self._generation = 0
        self._audible = Audible(rate_hz, t0_ns)
        # The queue is one run of samples without a gap: positions are counted from the
        # run's start, so that no rounding builds up.
        self._run_start_ns = t0_ns
        self._run_position = 0
        self._run_samples = 0

    @property
    def audible(self) -> list[Span]:
        """Audible stretches of the audio to be heard, by time. For live cues only."""
        return self._audible.spans

    @property
    def quietest_dbfs(self) -> float:
        """Level that nine tenths of the last 3 s of the agent's audio exceed."""
        return self._audible.quietest_dbfs

    @property
    def queue_end_ns(self) -> int:
        """Time at which the whole queue will have been heard."""
        return self._run_start_ns + samples_to_ns(self._run_samples, self.rate_hz)

    def queued_samples(self, now_ns: int) -> int:
        """Number of samples that are still to be heard."""
        return max(0, ns_to_samples(self.queue_end_ns - now_ns, self.rate_hz))

    def receive(
        self, chunk_id: str, generation: int, pcm: npt.NDArray[np.int16], arrival_ns: int
    ) -> HeardChunk | None:
        """Takes a chunk that arrived; returns it with its times, or None if it came too late."""
        if generation < self._generation:
            self.cleared.append((arrival_ns, chunk_id, len(pcm)))
            return None
        if self._stretcher is not None:
            pcm = self._stretched(self._stretcher, pcm, arrival_ns)
        if arrival_ns > self.queue_end_ns or self._is_cut_empty:
            self._start_run(arrival_ns + self._preroll_ns)
        heard_ns = self.queue_end_ns
        position = self._run_position + self._run_samples
        chunk = HeardChunk(chunk_id, generation, arrival_ns, heard_ns, position, pcm, len(pcm))
        self.chunks.append(chunk)
        self._audible.add(pcm, position, heard_ns)
        self._run_samples += len(pcm)
        return chunk

    def clear(self, generation: int, t_ns: int) -> int:
        """Cuts the audio that is not yet heard at ``t_ns`` and is older than ``generation``.

        Returns:
            Number of samples that were cut; 0 means that nothing was queued: no barge-in.
        """
        self._generation = max(self._generation, generation)
        cut = 0
        for chunk in reversed(self.chunks):
            end_ns = chunk.heard_ns + samples_to_ns(chunk.heard_samples, self.rate_hz)
            if end_ns <= t_ns:
                break
            if chunk.generation >= generation:
                continue
            # A sample whose time has come counts as heard; the first one at or after t_ns does not.
            played_ns = max(0, t_ns - chunk.heard_ns)
            played = min(chunk.heard_samples, -(-played_ns * self.rate_hz // NS_PER_S))
            lost = chunk.heard_samples - played
            if lost:
                cut += lost
                chunk.heard_samples = played
                self.cleared.append((t_ns, chunk.chunk_id, lost))
        if cut:
            self._audible.cut(t_ns)
            # The run now ends with its last sample that is heard.
            self._run_samples -= min(cut, self._run_samples)
            if self._stretcher is not None:
                self._stretcher = Stretcher(self.rate_hz)
        return cut

    @property
    def _is_cut_empty(self) -> bool:
        """All of the run was cut while it waited for its pre-roll: the next chunk waits for a new
        one.
        """
        return self._preroll_ns > 0 and self._run_samples == 0

    def _stretched(
        self, stretcher: Stretcher, pcm: npt.NDArray[np.int16], arrival_ns: int
    ) -> npt.NDArray[np.int16]:
        """The output of the stretcher for a chunk: nothing at first, as it holds some back."""
        queued_ms = max(0, self.queue_end_ns - arrival_ns) / NS_PER_MS
        factor = factor_for(queued_ms, self._target_ms) if self.chunks else 1.0
        given = stretcher.feed(pcm.astype(np.float32) / 32768, factor)
        return np.clip(np.rint(given * 32768), -32768, 32767).astype(np.int16)

    def _start_run(self, at_ns: int) -> None:
        # Never on a sample that is taken: rounding may not let two sounds overlap.
        taken = self._run_position + self._run_samples
        wanted = ns_to_samples(at_ns - self.t0_ns, self.rate_hz)
        self._run_start_ns, self._run_position, self._run_samples = at_ns, max(wanted, taken), 0

    def render(self, end_ns: int) -> npt.NDArray[np.int16]:
        """The audio heard from t0 to ``end_ns``: zeros where there was none.

        Returns:
            (n,) int16 at ``rate_hz``.
        """
        out = np.zeros(max(0, ns_to_samples(end_ns - self.t0_ns, self.rate_hz)), np.int16)
        for chunk in self.chunks:
            stop = min(len(out), chunk.position + chunk.heard_samples)
            if chunk.position < stop:
                out[chunk.position : stop] = chunk.pcm[: stop - chunk.position]
        return out
