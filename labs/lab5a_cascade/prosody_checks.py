"""The checks of task 5 of lab 5a: features of known voices, and the table made with them."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path
from statistics import pstdev
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from labs.check import Submission, SubmissionError, Verdict
from labs.judging import near, number, table
from labs.lab5a_cascade.measuring import read_wav, user_audio

SAMPLE_HZ = 16_000
PROSODY = "prosody.csv"


def _voiced(f0: float, seconds: float, syllables_hz: float, level: float) -> NDArray[np.float64]:
    """A known voice: harmonics, in syllables, with silence before and after."""
    t = np.arange(round(seconds * SAMPLE_HZ)) / SAMPLE_HZ
    tone = sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 12))
    swell = 0.5 - 0.5 * np.cos(2 * np.pi * syllables_hz * t)
    noise = np.random.default_rng(1).normal(0, 1e-4, len(t))
    silence = np.zeros(SAMPLE_HZ // 5)
    return np.concatenate([silence, level * (tone * swell) + noise, silence])


def prosody_features(submission: Submission) -> Verdict:
    """The student's features on voices whose features are known."""

    def of(function: str, voice: NDArray[np.float64]) -> float:
        said = submission.call("prosody.py", function, voice, SAMPLE_HZ)
        if not isinstance(said, int | float) or not math.isfinite(said):
            raise SubmissionError(f"{function}() does not return a number.")
        return float(said)

    for f0 in (95.0, 140.0, 230.0):
        if abs(of("f0_hz", _voiced(f0, 1.5, 4, 0.2)) / f0 - 1) > 0.03:
            return Verdict(False, f"f0_hz() is more than 3 % off for a voice of {f0:g} Hz.")
    loud, soft = (of("energy_db", _voiced(120, 1.5, 4, level)) for level in (0.2, 0.1))
    if abs(loud - soft - 20 * math.log10(2)) > 0.3:
        return Verdict(False, "energy_db() does not fall by 6 dB when the voice is half as loud.")
    for speed in (3.0, 5.0):
        if abs(of("syllables_per_s", _voiced(120, 2.0, speed, 0.2)) - speed) > 0.8:
            return Verdict(False, f"syllables_per_s() is far off for {speed:g} in each second.")
    return Verdict(True, "pitch, energy and rate of known voices come out right.")


@cache
def _reference() -> ModuleType:
    """The worked solution's features."""
    path = Path(__file__).parent / "solution" / "prosody.py"
    spec = importlib.util.spec_from_file_location("lab5a_reference", path)
    if spec is None or spec.loader is None:
        raise SubmissionError(f"{path} is missing: install duplex-lab again.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _table(submission: Submission) -> list[dict[str, str]]:
    return table(submission, PROSODY, ("fixture", "f0_hz_before", "f0_hz_after"), least=4)


def prosody_table(submission: Submission) -> Verdict:
    """The table against the fixtures' audio and the audio that came back."""
    pitch = _reference().f0_hz
    known = {t.fixture for t in submission.run("base").trials}
    for row in _table(submission):
        name = row["fixture"]
        if name not in known:
            return Verdict(False, f"prosody.csv: {name!r} is not a sentence of results/base.")
        after = submission.path(f"roundtrip/{name}.wav")
        for when, audio in (("before", user_audio(name)), ("after", read_wav(after))):
            said = number(row, f"f0_hz_{when}", PROSODY)
            if abs(said / pitch(*audio) - 1) > 0.15:
                return Verdict(False, f"prosody.csv: {name}, f0_hz_{when} is not that audio's.")
    return Verdict(True, "the table agrees with the audio before and after.")


def prosody_spread(submission: Submission) -> Verdict:
    """How far the voices are apart, before and after."""
    rows = _table(submission)
    for when in ("before", "after"):
        tones = [12 * math.log2(number(row, f"f0_hz_{when}", PROSODY)) for row in rows]
        key = f"prosody.spread_{when}_semitones"
        found = near(submission, key, pstdev(tones), 0.05, 0.05, f"the rows of {PROSODY}")
        if not found.passed:
            return found
    return Verdict(True, "both spreads agree with prosody.csv.")
