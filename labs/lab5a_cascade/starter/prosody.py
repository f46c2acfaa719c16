"""Task 5. What text deletes: the user's voice before and after a trip through the text."""

import csv
from pathlib import Path

import numpy as np


def f0_hz(pcm: np.ndarray, rate_hz: int) -> float:
    """The voice's typical pitch: the median fundamental frequency of its voiced frames, in Hz.

    Args:
        pcm: (n,) in ±1; speech, with pauses and voiceless sounds.
        rate_hz: Samples per second.
    """
    # TODO: frames of 40 ms; the autocorrelation of each has its first high peak at one period.
    # Look for it between 70 and 350 Hz, and leave out frames that are quiet or have no clear peak.
    return 0.0


def energy_db(pcm: np.ndarray, rate_hz: int) -> float:
    """How loud the speech is: the RMS of its frames that are not silent, in dB below full scale."""
    # TODO: a frame is silent if it lies 30 dB or more below the loudest.
    return 0.0


def syllables_per_s(pcm: np.ndarray, rate_hz: int) -> float:
    """How fast it is spoken: loudness peaks (vowels) per second, first sound to last."""
    # TODO: smooth the energy over 60 ms or so; count peaks of which each stands out by 3 dB.
    return 0.0


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
