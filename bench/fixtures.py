"""Finds, loads and checks fixtures: the user audio that agents are measured on.

A fixture is ``NAME.toml`` with its WAVs beside it. Every defect raises ``FixtureError`` with one
sentence that names the file and the mend.
"""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import fixture_toml, fixture_wav
from bench.fixture_records import (
    CUES,
    KINDS,
    LABELS,
    RATE_HZ,
    Cue,
    Fixture,
    FixtureError,
    Problem,
    Speech,
    Turn,
    Word,
)
from pipelines.audio.onsets import audible_spans

__all__ = [
    "CUES",
    "KINDS",
    "LABELS",
    "RATE_HZ",
    "Cue",
    "Fixture",
    "FixtureError",
    "Problem",
    "Speech",
    "Turn",
    "Word",
    "fixture_paths",
    "fixtures_root",
    "load",
    "read_pcm",
    "select",
    "verify",
    "verify_all",
]

ROOT_VARIABLE = "DUPLEX_LAB_FIXTURES"


def fixtures_root() -> Path:
    """The folder of fixtures: the environment's DUPLEX_LAB_FIXTURES, or the repository's own."""
    chosen = os.environ.get(ROOT_VARIABLE)
    root = Path(chosen).expanduser() if chosen else Path(__file__).parent.parent / "fixtures"
    if not root.is_dir():
        raise FixtureError(f"{root}: no such folder; set {ROOT_VARIABLE} to where fixtures are.")
    return root


def fixture_paths(root: Path | None = None) -> list[Path]:
    """All fixture files of a folder, by name."""
    return sorted((root or fixtures_root()).glob("*.toml"))


def load(path: Path) -> Fixture:
    """Loads one fixture and checks its text, and its audio against checksums and labels.

    Raises:
        FixtureError: whatever is wrong with it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FixtureError(f"{path}: can't be read ({error.strerror}); check the path.") from None
    draft = fixture_toml.parse(path, data, sha256="")
    identity = hashlib.sha256(data)
    for turn in draft.turns:
        _checked_pcm(turn)
        # _checked_pcm has made sure that this is the checksum of what lies on disk.
        identity.update(turn.sha256.encode())
    return replace(draft, sha256=identity.hexdigest())


def read_pcm(turn: Turn) -> NDArray[np.int16]:
    """The audio of a turn, (samples,) int16 at 16 kHz, checked again against its checksum."""
    return _checked_pcm(turn)


def select(selector: str, root: Path | None = None) -> list[Fixture]:
    """Loads the fixtures that a selector names, in order of name, each once.

    Args:
        selector: Comma-separated names, globs (``hes_*``), tags (``quick``, ``clean``), kinds
            (``question``: without variants), variants (``babble10``), or ``all``.
        root: The folder; by default ``fixtures_root()``.

    Raises:
        FixtureError: a part of the selector matches nothing, or a fixture is defective.
    """
    paths = {path.stem: path for path in fixture_paths(root)}
    parts = [part.strip() for part in selector.split(",") if part.strip()]
    if not parts:
        raise FixtureError("the selector is empty; name fixtures, a tag such as quick, or all.")
    chosen: set[str] = set()
    groups: dict[str, set[str]] | None = None
    for part in parts:
        # Names come first and load nothing else: a defective file elsewhere does no harm.
        matched = set(fnmatch.filter(paths, part))
        if not matched:
            groups = groups or _groups([load(path) for path in paths.values()])
            matched = groups.get(part, set())
        if not matched:
            raise FixtureError(_nothing_matches(part, list(paths), groups or {}))
        chosen |= matched
    return [load(paths[name]) for name in sorted(chosen)]


def _groups(fixtures: Iterable[Fixture]) -> dict[str, set[str]]:
    """Every word of a selector that stands for several fixtures → their names."""
    groups: dict[str, set[str]] = {}
    for fixture in fixtures:
        words = {"all", *fixture.tags, fixture.variant or fixture.kind}
        for word in words:
            groups.setdefault(word, set()).add(fixture.name)
    return groups


def _nothing_matches(part: str, names: list[str], groups: dict[str, set[str]]) -> str:
    near = difflib.get_close_matches(part, [*groups, *names], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"no fixture matches {part!r}; {hint}There are {len(names)} fixtures; "
        f"groups: {', '.join(sorted(groups)) or 'none'}; names: duplex-lab fixtures list."
    )


def verify_all(paths: Iterable[Path]) -> list[Problem]:
    """Checks each fixture; one that can't be loaded is a problem, and the others go on."""
    problems: list[Problem] = []
    for path in paths:
        try:
            problems += verify(load(path))
        except FixtureError as error:
            problems.append(Problem(path.stem, str(error)))
    return problems


def verify(fixture: Fixture) -> list[Problem]:
    """Checks what ``load`` does not: that the labels say what can be heard.

    Audible limits are searched again only in synthetic clean audio: a recording has noise around
    the speech, and a variant must have the labels of its base.
    """
    texts = _verify_variant(fixture) if fixture.base else []
    for turn in fixture.turns:
        pcm = read_pcm(turn)
        if fixture.labels == "synthesis" and not fixture.base:
            texts += _verify_limits(turn, pcm)
        texts += _verify_turn(turn, pcm)
    return [Problem(fixture.name, text) for text in texts]


def _verify_variant(fixture: Fixture) -> list[str]:
    base_path = fixture.path.with_name(f"{fixture.base}.toml")
    if not base_path.exists():
        return [f"{fixture.path}: its base {fixture.base!r} does not exist; correct the name."]
    base = load(base_path)

    def labels(turn: Turn) -> tuple[object, ...]:
        return (turn.samples, turn.text, turn.speech, turn.words, turn.pauses)

    if [labels(t) for t in fixture.turns] != [labels(t) for t in base.turns]:
        return [f"{fixture.path}: labels differ from those of {base_path.name}; copy them."]
    return []


def _verify_turn(turn: Turn, pcm: NDArray[np.int16]) -> list[str]:
    """Checks that hold for any audio."""
    texts = []
    if not all(pcm[s.audible_start : s.audible_end].any() for s in turn.speech):
        texts.append(f"{turn.wav}: digital silence is labelled as speech; correct the label.")
    for pause in turn.pauses:
        if any(s.audible_start < pause.end and pause.start < s.audible_end for s in turn.speech):
            texts.append(
                f"{turn.wav}: the pause {pause.start}–{pause.end} overlaps speech; "
                f"correct one of the labels."
            )
    if turn.words and " ".join(word.word for word in turn.words) != turn.text:
        texts.append(f"{turn.wav}: the words are not those of text; make them equal.")
    return texts


def _verify_limits(turn: Turn, pcm: NDArray[np.int16]) -> list[str]:
    """Checks audible limits and pauses of clean audio against the one threshold rule."""
    texts = []
    labelled = (turn.u_on_sample, turn.u_off_sample)
    spans = audible_spans(pcm, turn.rate_hz)
    heard = (spans[0].start, spans[-1].end - 1) if spans else (0, 0)
    if heard != labelled:
        texts.append(
            f"{turn.wav}: the labels say audible from sample {labelled[0]} to {labelled[1]}, but "
            f"it is heard from {heard[0]} to {heard[1]}; correct the labels, or restore the WAV."
        )
    for pause in turn.pauses:
        if audible_spans(pcm[pause.start : pause.end], turn.rate_hz):
            texts.append(
                f"{turn.wav}: the pause {pause.start}–{pause.end} is audible; "
                f"correct the label, or silence it."
            )
    return texts


def _checked_pcm(turn: Turn) -> NDArray[np.int16]:
    """Reads a turn's WAV; whatever differs from what the TOML says is an error."""
    wav = turn.wav
    try:
        data = wav.read_bytes()
    except OSError as error:
        raise FixtureError(f"{wav}: can't be read ({error.strerror}); restore it.") from None
    except ValueError:  # a NUL in the name
        raise FixtureError(f"{wav!r}: is no name of a file; correct wav in the TOML.") from None
    pcm = fixture_wav.decode(wav, data)
    if pcm.size != turn.samples:
        raise FixtureError(
            f"{wav}: has {pcm.size} samples, but the TOML says {turn.samples}; correct samples "
            f"and the labels, or restore the WAV."
        )
    if hashlib.sha256(data).hexdigest() != turn.sha256:
        raise FixtureError(
            f"{wav}: its sha256 is not that of the TOML; restore the WAV, or if the change is "
            f"meant, check the labels and write sha256 = {hashlib.sha256(data).hexdigest()!r}."
        )
    return pcm
