"""What the oracle knows beforehand: how each turn of the fixtures sounds, and what to do about it.

It reads a folder of fixtures as the caller does (fixtures/README.md has the form) and brings the
audio to the model's rate by the same arithmetic, so that what it hears is what it knows, sample for
sample.
"""

from __future__ import annotations

import os
import re
import tomllib
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.audio.onsets import first_audible, last_audible
from pipelines.audio.resample import resample
from pipelines.duplex.model import SAMPLE_RATE_HZ, Pcm
from pipelines.engine import EngineError

ROOT_VARIABLE = "DUPLEX_LAB_FIXTURES"
"""Where a run takes its fixtures from, as in `bench.fixtures`."""
SHIPPED = Path(__file__).parents[2] / "fixtures"

LEFT_S = 3.6
"""So much of an answer must be left when the user breaks in, and a little more."""
GOES_ON_S = 1.2
"""An answer goes on for so long after the audio of a sound that it should not stop for."""
WORDS_PER_S = 5.2
"""The voice speaks more slowly than this: so many words last at least as long as wanted."""
LEAST_WORDS = 5
"""Fewer, and an answer might not count as taking the floor."""
FILLERS = ("and after that i will come back to you and wait", "so please tell me what you want")
"""What makes an answer long; the first without a word that the answer must not hold."""

_WORD = re.compile(r"[a-z0-9']+")
_INT16 = np.float32(32768)


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of the user."""

    fixture: str
    """Its fixture's name."""
    number: int
    """Of the turn in the fixture, from 0."""
    pcm: Pcm
    """(n,) 24 kHz, from the first audible sample of its audio to the last."""
    on: int
    """Index in it of the first sample that is labelled as audible speech."""
    off: int
    """Index one past the last one."""
    answer: str
    """What a right answer says; empty: it is held one's peace to."""


def read_lines(folder: str = "") -> tuple[Line, ...]:
    """All turns of all fixtures in a folder.

    Args:
        folder: Empty: where a run takes its fixtures from.

    Raises:
        EngineError: there are none, or one can't be read.
    """
    root = Path(folder or os.environ.get(ROOT_VARIABLE) or SHIPPED).expanduser()
    paths = sorted(root.glob("*.toml"))
    if not paths:
        raise EngineError(
            f"{root} holds no fixtures for the oracle to know: set fixtures under [script], or "
            f"{ROOT_VARIABLE}, to their folder"
        )
    sounds: dict[Path, tuple[Pcm, int]] = {}
    lines: list[Line] = []
    for path in paths:
        try:
            turns = tomllib.loads(path.read_text(encoding="utf-8"))["turn"]
            lines += [_line(path, turns, number, sounds) for number in range(len(turns))]
        except (OSError, EOFError, wave.Error, KeyError, ValueError, TypeError) as error:
            raise EngineError(
                f"{path} is no fixture that the oracle can read ({type(error).__name__}: {error}): "
                "'duplex-lab fixtures verify' says what is wrong with it"
            ) from error
    return tuple(lines)


def _line(
    path: Path,
    turns: Sequence[Mapping[str, Any]],
    number: int,
    sounds: dict[Path, tuple[Pcm, int]],
) -> Line:
    turn = turns[number]
    wav = path.parent / turn["wav"]
    if wav not in sounds:
        sounds[wav] = _sound(wav)
    pcm, first = sounds[wav]
    scale = SAMPLE_RATE_HZ / turn["rate_hz"]
    return Line(
        fixture=path.stem,
        number=number,
        pcm=pcm,
        on=max(0, round(turn["speech"][0]["audible_start"] * scale) - first),
        off=round(turn["speech"][-1]["audible_end"] * scale) - first,
        answer=answer_to(turn["text"], turn.get("expect", {}), _least_s(turns, number)),
    )


def _sound(wav: Path) -> tuple[Pcm, int]:
    """A WAV's audio between its first and last audible samples, and where in it the first is."""
    with wave.open(str(wav)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        at_rate = resample(pcm, file.getframerate(), SAMPLE_RATE_HZ).astype(np.float32) / _INT16
    first, last = first_audible(at_rate, SAMPLE_RATE_HZ), last_audible(at_rate, SAMPLE_RATE_HZ)
    if first is None or last is None:
        raise ValueError(f"{wav.name} is silent")
    return at_rate[first : last + 1], first


def answer_to(text: str, expect: Mapping[str, Any], least_s: float = 0.0) -> str:
    """A right answer, in words of the user's where these will do.

    Args:
        text: What the user says.
        expect: The fixture's expectation, see `bench.judge`.
        least_s: How long it must last at least.
    """
    if not expect.get("respond", True):
        return ""
    never = tuple(expect.get("never", ()))
    wanted = [
        next((w for w in wordings if not _holds(w, never)), wordings[0])
        for wordings in expect.get("slots", {}).values()
    ]
    told = all(any(_holds(text, (w,)) for w in of) for of in expect.get("slots", {}).values())
    said = text if told and text and not _holds(text, never) else " and ".join(wanted)
    answer = f"all right {said}".strip()
    filler = next((f for f in FILLERS if not _holds(f, never)), FILLERS[0])
    while len(_words(answer)) < max(LEAST_WORDS, least_s * WORDS_PER_S):
        answer += f" {filler}"
    return answer


def _least_s(turns: Sequence[Mapping[str, Any]], number: int) -> float:
    """How long the answer must last, so that what comes over it finds enough of it left."""
    at_s = needed_s = 0.0
    for turn in turns[number + 1 :]:
        if turn["cue"]["after"] != "agent_onset":
            break
        rate_hz = int(turn["rate_hz"])
        on_s: float = (
            at_s + turn["cue"]["delay_ms"] / 1e3 + turn["speech"][0]["audible_start"] / rate_hz
        )
        if turn.get("expect", {}).get("respond", True):
            return max(needed_s, on_s + LEFT_S)
        at_s += turn["cue"]["delay_ms"] / 1e3 + turn["samples"] / rate_hz
        needed_s = at_s + GOES_ON_S
    return needed_s


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _holds(text: str, wordings: Sequence[str]) -> bool:
    """Whether a text holds one of the wordings, as whole words."""
    said = f" {' '.join(_words(text))} "
    return any(f" {' '.join(_words(wording))} " in said for wording in wordings)
