"""Faults that a listener would hear in the codec's sound, as numbers; numpy only.

Each compares decoded sound with its original, aligned and equally long: a voice's periodicity (a
hoarse or buzzing voice has less), its roughness at the frame rate (clicks or steps at frame edges),
and how loud it is where the original is silent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.sound import HOP, RATE_HZ, hann, mel_filters

Floats = npt.NDArray[np.float32]
_VOICED = 0.6
"""Periodicity from which a piece of the original counts as voiced."""
_QUIET_DB = -60.0
"""Below it the original counts as a pause."""
_PIECE = 960
"""Samples judged at once: 40 ms."""


def periodicity(original: Floats, decoded: Floats) -> tuple[float, float]:
    """Mean highest normalised autocorrelation (70–400 Hz), over the original's voiced pieces.

    Returns:
        The original's and the decoded sound's; NaN where nothing is voiced.
    """
    one, two = _pieces(original), _pieces(decoded)
    loud = _level_db(one) > -45
    if not loud.any():
        return float("nan"), float("nan")
    was = _peak(one[loud])
    voiced = was > _VOICED
    if not voiced.any():
        return float("nan"), float("nan")
    return float(was[voiced].mean()), float(_peak(two[loud][voiced]).mean())


def frame_roughness(pcm: Floats) -> float:
    """How much stronger the sound's change is modulated at 12.5, 25 and 37.5 Hz than beside them.

    The change (spectral flux) is the mean rise and fall of the log-mel spectrum from one 5 ms to
    the next. 1 is none: no frequency stands out; frame edges that can be heard give several.
    """
    step, window = HOP // 2, 256
    pieces = np.lib.stride_tricks.sliding_window_view(pcm, window)[::step] * hann(window)
    mel = np.log(np.maximum(np.abs(np.fft.rfft(pieces)) @ mel_filters(window, 40), 1e-2))
    flux = np.abs(np.diff(mel, axis=0)).mean(1)
    # Blocks of 1.28 s: 12.5 Hz and its multiples fall on whole bins (16, 32, 48).
    size = 256
    blocks = [flux[i : i + size] for i in range(0, len(flux) - size + 1, size // 2)]
    if not blocks:
        return float("nan")
    power = np.mean([np.abs(np.fft.rfft((b - b.mean()) * hann(size))) ** 2 for b in blocks], axis=0)
    at = [power[k - 1 : k + 2].mean() for k in (16, 32, 48)]
    beside = [np.r_[power[k - 6 : k - 1], power[k + 2 : k + 7]].mean() for k in (16, 32, 48)]
    return float(np.sum(at) / np.sum(beside))


def pause_level_db(original: Floats, decoded: Floats) -> float:
    """The decoded sound's level, dBFS, where the original has been quiet for 100 ms or more."""
    quiet = _level_db(_pieces(original)) < _QUIET_DB
    settled = np.convolve(quiet, np.ones(11), "full")[: len(quiet)] > 10.5
    if not settled.any():
        return float("nan")
    pieces = _pieces(decoded)[settled]
    return float(10 * np.log10(np.mean(pieces.astype(np.float64) ** 2) + 1e-12))


def _pieces(pcm: Floats) -> Floats:
    return np.lib.stride_tricks.sliding_window_view(pcm, _PIECE)[::HOP]


def _level_db(pieces: Floats) -> npt.NDArray[np.float64]:
    level: npt.NDArray[np.float64] = 10 * np.log10(np.mean(pieces.astype(float) ** 2, 1) + 1e-12)
    return level


def _peak(pieces: Floats) -> npt.NDArray[np.float64]:
    """Highest normalised autocorrelation of each piece with itself, 70 to 400 Hz."""
    low, high = RATE_HZ // 400, RATE_HZ // 70
    half = _PIECE - high
    head = pieces[:, :half].astype(np.float64)
    head = head - head.mean(1, keepdims=True)
    best = np.zeros(len(pieces))
    norm = np.sqrt((head**2).sum(1)) + 1e-9
    for lag in range(low, high, 2):
        late = pieces[:, lag : lag + half]
        scale = np.sqrt((late.astype(np.float64) ** 2).sum(1)) + 1e-9
        best = np.maximum(best, (head * late).sum(1) / (norm * scale))
    return best
