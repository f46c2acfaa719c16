"""A channel that is never silent: how loud its ambience is, and what stands out of it.

Speech is loud and soft within every second; ambience (noise, hum, a room) stays at its level. So a
channel has an ambience where, in 3 s of it, a fifth of the 20 ms windows or more lie within 3 dB of
one level, and hardly any lie well below that level. What rises 10 dB above it is speech. A level
that nothing at −50 dBFS would hear is no ambience but silence, and one above −30 dBFS leaves no
room for speech: there it can't be told from speech.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.levels import Floats
from pipelines.audio.onsets import THRESHOLD_DBFS, Span, audible_spans

WINDOWS_PER_S = 50
"""Windows of 20 ms: a period of the lowest mains hum."""
STRETCH = 3 * WINDOWS_PER_S
"""Windows that the level is read off: no speech is steady for 3 s."""
ABOVE_DB = 10.0
"""Distance of the threshold from the ambience: peaks of steady noise in 5 ms stay below it."""
NEAR_DB = 3.0
"""Distance from the ambience's level, to both sides, of its own windows."""
LEAST_NEAR = 0.2
"""Share of the windows that lie so near, at least: during the rest the agent may speak."""
BELOW_DB = 6.0
"""Distance below the level from which on a window is quieter than the ambience."""
MOST_BELOW = 0.25
"""Quieter windows for each near one, at most: gaps, and fading-in after speech. Of clean speech at
any level it is more than 0.35."""
FULL_SCALE = 32_768
"""Value of int16 that 1.0 is."""
LEVELS_DBFS = np.arange(THRESHOLD_DBFS - NEAR_DB, -29.5, 1.0)
"""Levels at which ambience is sought."""


def threshold_dbfs(ambience_dbfs: float | None) -> float:
    """The limit of audibility over an ambience; that of a clean channel where there is none."""
    return THRESHOLD_DBFS if ambience_dbfs is None else ambience_dbfs + ABOVE_DB


def dbfs(level_dbfs: float) -> str:
    """A level for a sentence: "−40 dBFS"."""
    return f"{level_dbfs:.0f} dBFS".replace("-", "−")


def audible_in(pcm: NDArray[np.int16], rate_hz: int) -> tuple[list[Span], float | None]:
    """What stands out in a channel, and the level of its ambience.

    Args:
        pcm: (n,) the channel.
        rate_hz: Samples per second.

    Returns:
        The audible stretches in order, and the ambience in dBFS; None: there is none, and the
        stretches are those of `pipelines.audio.onsets.audible_spans`.
    """
    pcm = np.ascontiguousarray(pcm)  # a channel of a stereo recording is not
    level = ambience_dbfs(window_levels(pcm, rate_hz))
    return audible_spans(pcm, rate_hz, threshold_dbfs=threshold_dbfs(level)), level


def window_levels(pcm: NDArray[np.int16], rate_hz: int) -> Floats:
    """Levels of the (n,) whole windows of a channel, in dBFS; −200 for silence."""
    width = rate_hz // WINDOWS_PER_S
    whole = np.ascontiguousarray(pcm[: pcm.size // width * width]).astype(np.float64)
    windows = whole.reshape(-1, width)
    # Sums of squares of integers are exact: to the last bit as `window_levels_dbfs`, but faster.
    power = np.einsum("ij,ij->i", windows, windows) / FULL_SCALE**2
    return np.asarray(10 * np.log10(power / width + 1e-20))


def ambience_dbfs(levels: Floats) -> float | None:
    """The ambience of a channel: that of its loudest 3 s; None if it has none.

    Args:
        levels: (n,) levels of its windows, in dBFS. Fewer than 3 s tell nothing.
    """
    if levels.size < STRETCH:
        return None
    # Where more than a fifth is quieter than any ambience, no level passes: most channels are
    # refused here.
    silent = np.cumsum(np.concatenate(([0], levels < LEVELS_DBFS[0] - BELOW_DB)))
    most = STRETCH * MOST_BELOW / (1 + MOST_BELOW)
    starts = np.flatnonzero(silent[STRETCH:] - silent[:-STRETCH] <= most)
    found = (_steady_dbfs(levels[start : start + STRETCH]) for start in _thinned(starts))
    return max((level for level in found if level is not None), default=None)


def _thinned(starts: NDArray[Any]) -> NDArray[Any]:
    """Every tenth of the starts, 0.2 s apart, and the first and last of all."""
    return np.unique(np.concatenate((starts[:1], starts[::10], starts[-1:])))


def _steady_dbfs(levels: Floats) -> float | None:
    """The level at which a stretch dwells; None if it dwells at none."""
    ordered = np.sort(levels)
    first = np.searchsorted(ordered, LEVELS_DBFS - NEAR_DB)
    last = np.searchsorted(ordered, LEVELS_DBFS + NEAR_DB, side="right")
    near, below = last - first, np.searchsorted(ordered, LEVELS_DBFS - BELOW_DB)
    near = np.where(below <= MOST_BELOW * near, near, 0)
    best = int(np.argmax(near))
    if near[best] < LEAST_NEAR * levels.size:
        return None
    level = float(np.median(ordered[first[best] : last[best]]))
    return level if LEVELS_DBFS[0] <= level <= LEVELS_DBFS[-1] else None
