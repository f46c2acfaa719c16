"""A jitter buffer as arithmetic on times: when each chunk is heard, given its arrival.

The first chunk is held back for the pre-roll, so that later ones may be late by as much. Where the
buffer is empty, there is silence: an underrun. No thread, no sleeping.
"""

from __future__ import annotations

from pipelines.clock import NS_PER_MS, samples_to_ns

PREROLL_MS = 300.0


class JitterBuffer:
    """The playout of one stream."""

    def __init__(
        self, rate_hz: int, preroll_ms: float = PREROLL_MS, *, rebuffer: bool = True
    ) -> None:
        """Makes an empty one.

        Args:
            rate_hz: Sample rate.
            preroll_ms: B: how long the first chunk waits, in ms of time, not of audio: so a reply
                that is shorter than B is heard as well.
            rebuffer: Whether the chunk that ends an underrun waits for B again. If not, it is
                heard at once, and the buffer has no reserve from then on.

        Raises:
            ValueError: the rate is not positive, or the pre-roll is negative.
        """
        if rate_hz <= 0 or preroll_ms < 0:
            raise ValueError(
                f"a jitter buffer needs rate_hz > 0 and preroll_ms >= 0, "
                f"not {rate_hz} and {preroll_ms}"
            )
        self.rate_hz = rate_hz
        self.preroll_ns = round(preroll_ms * NS_PER_MS)
        self.rebuffer = rebuffer
        self.underruns = 0
        """Number of underruns between two chunks of one reply."""
        self.silent_ns = 0
        """Length of those silences, ns, including the wait for a new pre-roll."""
        self.played_samples = 0
        """Number of samples that were heard, or will be."""
        # The queue is one run of samples without a gap: its end is counted from the run's
        # start, so that no rounding builds up.
        self._run_start_ns: int | None = None
        self._run_samples = 0

    @property
    def end_ns(self) -> int | None:
        """Time at which the whole queue will have been heard; None before the first chunk."""
        if self._run_start_ns is None:
            return None
        return self._run_start_ns + samples_to_ns(self._run_samples, self.rate_hz)

    def push(self, arrival_ns: int, samples: int, *, new_reply: bool = False) -> int:
        """Takes a chunk.

        Args:
            arrival_ns: When it arrived; never before the last one.
            samples: Its length.
            new_reply: It begins a new reply: the silence before it was meant, and is no underrun.

        Returns:
            When its first sample is heard, ns.
        """
        end_ns = self.end_ns
        if end_ns is None or arrival_ns > end_ns:
            is_underrun = end_ns is not None and not new_reply
            waits = self.rebuffer or not is_underrun
            heard_ns = arrival_ns + (self.preroll_ns if waits else 0)
            if is_underrun and end_ns is not None:
                self.underruns += 1
                self.silent_ns += heard_ns - end_ns
            self._run_start_ns, self._run_samples = heard_ns, samples
        else:
            heard_ns = end_ns
            self._run_samples += samples
        self.played_samples += samples
        return heard_ns

    def clear(self, t_ns: int) -> int:
        """Forgets what is not yet heard at ``t_ns``: an interruption.

        Returns:
            Number of samples that were cut.
        """
        if self._run_start_ns is None:
            return 0
        begun = max(0, t_ns - self._run_start_ns) * self.rate_hz
        # A sample whose time has come counts as heard; the first one at or after t_ns does not.
        heard = min(self._run_samples, -(-begun // 1_000_000_000))
        cut = self._run_samples - heard
        self._run_samples = heard
        self.played_samples -= cut
        if not heard:  # also the waiting for the pre-roll is over
            self._run_start_ns = min(self._run_start_ns, t_ns)
        return cut
