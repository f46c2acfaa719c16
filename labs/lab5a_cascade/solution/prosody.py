"""Task 5. What text deletes: the user's voice before and after a trip through the text."""

import csv
from pathlib import Path

import numpy as np

FRAME_S = 0.04
STEP_S = 0.01


def frames(pcm: np.ndarray, rate_hz: int, frame_s: float = FRAME_S) -> np.ndarray:
    """The signal cut into overlapping frames: (frames, samples)."""
    size, step = round(frame_s * rate_hz), round(STEP_S * rate_hz)
    if len(pcm) < size:
        pcm = np.pad(pcm, (0, size - len(pcm)))
    return np.lib.stride_tricks.sliding_window_view(pcm, size)[::step]


def levels_db(cut: np.ndarray) -> np.ndarray:
    """RMS of each frame in dB below full scale."""
    return 10 * np.log10(np.mean(cut**2, axis=1) + 1e-12)


def f0_hz(pcm: np.ndarray, rate_hz: int) -> float:
    """The voice's typical pitch: the median fundamental frequency of its voiced frames, in Hz.

    Args:
        pcm: (n,) in ±1; speech, with pauses and voiceless sounds.
        rate_hz: Samples per second.
    """
    cut = frames(pcm, rate_hz)
    level = levels_db(cut)
    cut = cut[level > level.max() - 20]
    cut = cut - cut.mean(axis=1, keepdims=True)
    size = cut.shape[1]
    spectrum = np.abs(np.fft.rfft(cut, 2 * size, axis=1)) ** 2
    alike = np.fft.irfft(spectrum, axis=1)[:, :size]
    alike = alike / (alike[:, :1] + 1e-12) / (1 - np.arange(size) / size)  # fewer pairs far away
    first, last = round(rate_hz / 350), round(rate_hz / 70)
    found = []
    for row in alike:
        near = row[first : last + 1]
        if near.max() < 0.6:
            continue  # voiceless
        inner = np.flatnonzero((near[1:-1] >= near[:-2]) & (near[1:-1] >= near[2:])) + 1
        # Two periods are as much alike as one: the first peak that is nearly the highest.
        peaks = [int(i) for i in inner if near[i] >= 0.85 * near.max()]
        if peaks:
            left, middle, right = near[peaks[0] - 1 : peaks[0] + 2]
            bend = left - 2 * middle + right
            offset = 0.5 * (left - right) / bend if bend else 0.0
            found.append(rate_hz / (first + peaks[0] + offset))
    return float(np.median(found)) if found else 0.0


def energy_db(pcm: np.ndarray, rate_hz: int) -> float:
    """How loud the speech is: the RMS of its frames that are not silent, in dB below full scale."""
    cut = frames(pcm, rate_hz)
    level = levels_db(cut)
    return float(10 * np.log10(np.mean(cut[level > level.max() - 30] ** 2) + 1e-12))


def syllables_per_s(pcm: np.ndarray, rate_hz: int) -> float:
    """How fast it is spoken: loudness peaks (vowels) per second, first sound to last."""
    level = levels_db(frames(pcm, rate_hz, 0.06))
    loud = np.flatnonzero(level > level.max() - 30)
    peaks, valley, peak = 0, level[loud[0]], -np.inf
    for value in level[loud[0] : loud[-1] + 1]:
        if value > peak:
            peak = value
        if peak - valley < 3:  # not yet a rise
            valley = min(valley, value)
            peak = value
        elif peak - value >= 3:  # it has fallen again: that was one
            peaks += 1
            valley, peak = value, value
    peaks += bool(peak - valley >= 3)
    spoken_s = (loud[-1] - loud[0]) * STEP_S
    return float(peaks / spoken_s) if spoken_s > 0 else 0.0


def main() -> None:
    """Writes prosody.csv: each sentence of results/base, before and after."""
    from labs.lab5a_cascade.measuring import read_wav, speak_again, user_audio

    names = speak_again(Path("results/base"), Path("roundtrip"))
    if not names:
        raise SystemExit("Your recogniser wrote nothing down in results/base: see task 1.")
    with Path("prosody.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        features = (f0_hz, energy_db, syllables_per_s)
        named = [f"{f.__name__}_{when}" for f in features for when in ("before", "after")]
        table.writerow(["fixture", *named])
        for name in names:
            before = user_audio(name)
            after = read_wav(Path("roundtrip") / f"{name}.wav")
            row = [f"{f(*audio):.2f}" for f in features for audio in (before, after)]
            table.writerow([name, *row])
            print(name, *row)


if __name__ == "__main__":
    main()
