"""The oracle's knowledge: the sound of each turn of the fixtures, and the right reaction.

It reads a folder of fixtures as the caller does (fixtures/README.md has the form) and brings the
audio to the model's rate by the same arithmetic, so that what it hears equals what it knows, sample
for sample.
"""

from __future__ import annotations

import os
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.audio.onsets import first_audible, last_audible
from pipelines.audio.resample import resample
from pipelines.duplex.scripted.oracle_voice import Patchwork, Recording, words_of
from pipelines.duplex.session.model import SAMPLE_RATE_HZ, Pcm
from pipelines.guards.texts import parse_toml
from pipelines.installation import FIXTURES_VARIABLE, shipped_fixtures
from pipelines.process.engine import EngineError

LEFT_S = 3.6
"""Part of an answer that must be left when the user breaks in, with a little more."""
GOES_ON_S = 1.2
"""Time that an answer goes on after the audio of a sound for which it should not stop."""
WORDS_PER_S = 4.0
"""Speaking rate, words per s, that the voice stays below: a count of words lasts at least this
long."""
LEAST_WORDS = 5
"""Least number of words of an answer that counts as taking the turn."""

_INT16 = np.float32(32768)


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of the user."""

    fixture: str
    """Its fixture's name."""
    number: int
    """Number of the turn in the fixture, from 0."""
    pcm: Pcm
    """(n,) 24 kHz, from the first audible sample of its audio to the last."""
    on: int
    """Index in it of the first sample that is labelled as audible speech."""
    off: int
    """Index one past the last one."""
    answer: str
    """Text of a right answer; empty: the right reaction is silence."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Everything that the oracle knows."""

    lines: tuple[Line, ...]
    voice: Patchwork
    """Recordings that are not variants of others."""


def read_knowledge(folder: str = "") -> Knowledge:
    """All turns of all fixtures in a folder.

    Args:
        folder: Empty: where a run takes its fixtures from.

    Raises:
        EngineError: there are none, or one can't be read.
    """
    root = Path(folder or os.environ.get(FIXTURES_VARIABLE) or shipped_fixtures()).expanduser()
    fixtures: dict[Path, Mapping[str, Any]] = {}
    sounds: dict[Path, Pcm] = {}
    recordings: dict[Path, Recording] = {}
    lines: list[Line] = []
    path = root
    try:
        for path in sorted(root.glob("*.toml")):
            fixtures[path] = parse_toml(path.read_bytes())
            for turn in fixtures[path]["turn"]:
                wav = root / turn["wav"]
                sounds[wav] = sounds[wav] if wav in sounds else _sound(wav)
                if not fixtures[path].get("base"):
                    recordings[wav] = _recording(turn, sounds[wav])
        voice = Patchwork(list(recordings.values()))
        fillers = [t["text"] for f in fixtures.values() for t in f["turn"]]
        fillers.sort(key=lambda text: (-len(text), text))
        for path, fixture in fixtures.items():
            for number, turn in enumerate(fixture["turn"]):
                least_s = _least_s(fixture["turn"], number)
                answer = answer_to(turn["text"], turn.get("expect", {}), least_s, voice, fillers)
                lines.append(_line(path, number, turn, sounds[root / turn["wav"]], answer))
    except (OSError, EOFError, wave.Error, KeyError, ValueError, TypeError) as error:
        raise EngineError(
            f"{path} is not a fixture that the oracle can read ({type(error).__name__}: {error}): "
            "'duplex-lab fixtures verify' says what is wrong with it"
        ) from error
    if not lines:
        raise EngineError(
            f"{root} holds no fixtures for the oracle to know: set fixtures under [script], or "
            f"{FIXTURES_VARIABLE}, to their folder"
        )
    return Knowledge(tuple(lines), voice)


def _sound(wav: Path) -> Pcm:
    with wave.open(str(wav)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        at_rate = resample(pcm, file.getframerate(), SAMPLE_RATE_HZ)
    heard: Pcm = at_rate.astype(np.float32) / _INT16
    return heard


def _recording(turn: Mapping[str, Any], pcm: Pcm) -> Recording:
    scale = SAMPLE_RATE_HZ / turn["rate_hz"]
    words = turn.get("words", ())
    limits = tuple((round(w["start"] * scale), round(w["end"] * scale)) for w in words)
    return Recording(pcm, tuple(str(w["word"]) for w in words), limits)


def _line(path: Path, number: int, turn: Mapping[str, Any], pcm: Pcm, answer: str) -> Line:
    first, last = first_audible(pcm, SAMPLE_RATE_HZ), last_audible(pcm, SAMPLE_RATE_HZ)
    if first is None or last is None:
        raise ValueError(f"{turn['wav']} is silent")
    scale = SAMPLE_RATE_HZ / turn["rate_hz"]
    return Line(
        fixture=path.stem,
        number=number,
        pcm=pcm[first : last + 1],
        on=max(0, round(turn["speech"][0]["audible_start"] * scale) - first),
        off=round(turn["speech"][-1]["audible_end"] * scale) - first,
        answer=answer,
    )


def answer_to(
    text: str,
    expect: Mapping[str, Any],
    least_s: float,
    voice: Patchwork,
    fillers: Sequence[str],
) -> str:
    """A right answer, in words of the user's where possible.

    Args:
        text: The user's words.
        expect: The fixture's expectation, see `bench.store.expectation`.
        least_s: Least duration.
        voice: The voice, whose own words are preferred.
        fillers: Sentences that make an answer longer, the longest first.
    """
    if not expect.get("respond", True):
        return ""
    never = tuple(expect.get("never", ()))
    slots: Sequence[Sequence[str]] = tuple(expect.get("slots", {}).values())
    told = all(any(_holds(text, (wording,)) for wording in of) for of in slots)
    if told and not _holds(text, never):
        answer = text
    else:
        named = (_named(of, never, voice, fillers) for of in slots)
        answer = " and ".join(dict.fromkeys(named))
    more = [f for f in fillers if f and not _holds(f, never)] or ["and so on and on"]
    i = 0
    while len(words_of(answer)) < max(LEAST_WORDS, least_s * WORDS_PER_S):
        answer = f"{answer} {more[i % len(more)]}".strip()
        i += 1
    return answer


def _named(
    wordings: Sequence[str], never: Sequence[str], voice: Patchwork, sentences: Sequence[str]
) -> str:
    """One of the accepted wordings, in the shortest sentence that holds it.

    A word that is cut out of its sentence is hardly understood.
    """
    may = [wording for wording in wordings if not _holds(wording, never)] or list(wordings)
    for sentence in reversed(sentences):
        if len(words_of(sentence)) > 2 and _holds(sentence, may) and not _holds(sentence, never):
            return sentence
    return next((wording for wording in may if voice.knows(wording)), may[0])


def _least_s(turns: Sequence[Mapping[str, Any]], number: int) -> float:
    """The length that an answer needs, so that a later event finds enough of it left."""
    at_s = needed_s = 0.0
    for turn in turns[number + 1 :]:
        if turn["cue"]["after"] != "agent_onset":
            break
        rate_hz = int(turn["rate_hz"])
        cued_s = at_s + float(turn["cue"]["delay_ms"]) / 1e3
        if turn.get("expect", {}).get("respond", True):
            on_s = cued_s + int(turn["speech"][0]["audible_start"]) / rate_hz
            return max(needed_s, on_s + LEFT_S)
        at_s = cued_s + int(turn["samples"]) / rate_hz
        needed_s = at_s + GOES_ON_S
    return needed_s


def _holds(text: str, wordings: Sequence[str]) -> bool:
    """True if a text holds one of the wordings, as whole words."""
    said = f" {' '.join(words_of(text))} "
    return any(f" {' '.join(words_of(wording))} " in said for wording in wordings)
