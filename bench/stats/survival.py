"""Censored times: the median of a barge-in's stop where some agents never stopped.

A time is censored where something else ended the wait first: the reply came to its natural end, or
the measuring stopped. The true time is at least that; leaving it out, or taking it as it stands,
makes an agent that does not stop look quick.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.stats.quantiles import CONFIDENCE, MIN_N_INTERVAL, Estimate


def km_median(
    seen: Sequence[float], censored: Sequence[float], confidence: float = CONFIDENCE
) -> Estimate:
    """The median time by Kaplan & Meier (1958), with the interval of Brookmeyer & Crowley (1982).

    The median is the first time at which at most half remain; each end of the interval is the first
    time at which the curve's band (Greenwood's variance on the log–log scale) falls to a half. A
    curve that never falls that far has no median, and an upper band that never does has no upper
    end: both are None, never the longest time that was waited.

    Args:
        seen: Times at which the event was observed.
        censored: Times at which the observation was cut short.
        confidence: Confidence of the interval.
    """
    from scipy.stats import CensoredData, ecdf

    n = len(seen) + len(censored)
    if not seen:
        return Estimate(None, n, need=MIN_N_INTERVAL)
    data = CensoredData(uncensored=np.asarray(seen, float), right=np.asarray(censored, float))
    left = ecdf(data).sf
    times = left.quantiles
    value = _reaches_half(times, left.probabilities)
    if n < MIN_N_INTERVAL:
        return Estimate(value, n, need=MIN_N_INTERVAL)
    with warnings.catch_warnings():
        # Where none or all remain the band is undefined, and scipy warns.
        warnings.simplefilter("ignore", RuntimeWarning)
        band = left.confidence_interval(confidence_level=confidence, method="log-log")
    # Where none remain nothing more can come: such a time bounds the median.
    low, high = (
        _reaches_half(times, np.where(left.probabilities == 0, 0.0, side.probabilities))
        for side in (band.low, band.high)
    )
    return Estimate(value, n, low, high, MIN_N_INTERVAL)


def _reaches_half(times: NDArray[np.float64], left: NDArray[np.float64]) -> float | None:
    """The first time at which at most half remain; None if there is none.

    Args:
        times: (n,) ascending.
        left: (n,) shares; NaN where undefined, which counts as not known to be so low.
    """
    # A product of fractions that should be 0.5 may lie a rounding error above it.
    below = np.flatnonzero(left <= 0.5 + 1e-12)
    return float(times[below[0]]) if below.size else None
