"""The calls in a file or a folder: stereo files, or pairs of mono ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.fixtures.audio_file import Recorded, read_channel
from bench.fixtures.fixture import FixtureError
from pipelines.audio.resample import resample
from pipelines.errors import LabError

Side = Literal["left", "right"]
OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".webm", ".aiff", ".au"})
PAIRS = (("user", "agent"), ("caller", "agent"), ("input", "output"), ("user", "assistant"))
"""Endings or names of two mono files that are one call: ``7.user.wav`` and ``7.agent.wav``, or
``user.wav`` and ``agent.wav`` in a folder."""


@dataclass(frozen=True, slots=True)
class CallFiles:
    """One call, not read yet."""

    name: str
    """Name of its trial."""
    user: Path
    agent: Path
    """The same as ``user`` where one stereo file holds both."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    name: str
    stereo: NDArray[np.int16]  # (n, 2): user, agent
    rate_hz: int


def calls_in(path: Path) -> list[CallFiles]:
    """The calls of a file, or of a folder and its folders.

    Raises:
        LabError: there is none.
    """
    if path.is_file():
        return [CallFiles(path.stem, path, path)]
    if not path.is_dir():
        raise LabError(f"{path}: there is no such file or folder.")
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    found = list(_calls(path, files))
    if not found:
        raise LabError(
            f"{path}: holds no recorded calls: stereo files, or pairs such as 7.user.wav and "
            "7.agent.wav."
        )
    return found


def _calls(root: Path, files: list[Path]) -> Iterator[CallFiles]:
    taken: set[Path] = set()
    for file in files:
        if file in taken:
            continue
        other = next((o for o in map(lambda p: _other(file, *p), PAIRS) if o in files), None)
        name = ".".join(file.relative_to(root).with_suffix("").parts)
        if other is None:
            yield CallFiles(name, file, file)
            continue
        taken |= {file, other}
        user, agent = (file, other) if _is_user(file) else (other, file)
        yield CallFiles(_common(name), user, agent)


def _other(file: Path, user: str, agent: str) -> Path | None:
    for mine, other in ((user, agent), (agent, user)):
        if file.stem.lower() == mine or file.stem.lower().endswith(f".{mine}"):
            return file.with_name(file.stem[: -len(mine)] + other + file.suffix)
    return None


def _is_user(file: Path) -> bool:
    return any(file.stem.lower().endswith(user) for user, _ in PAIRS)


def _common(name: str) -> str:
    """The call's name without the side's."""
    head, _, _ = name.rpartition(".")
    return head or name


def read(files: CallFiles, user: Side = "left") -> Call:
    """Reads a call.

    Args:
        files: Where it lies.
        user: Channel of a stereo file that is the user's.

    Raises:
        LabError: a file is no audio, has one channel only, or is silent; the text names it.
    """
    if files.user == files.agent:
        mine, theirs = _side(files.user, user), _side(files.user, OTHER[user])
        if mine.channels < 2:
            raise LabError(
                f"{files.user}: has one channel, so who speaks can't be told; give a stereo file, "
                "or two files named NAME.user.wav and NAME.agent.wav."
            )
    else:
        mine, theirs = _side(files.user, None), _side(files.agent, None)
    rate_hz = max(mine.rate_hz, theirs.rate_hz)
    sides = [_at(of, rate_hz) for of in (mine, theirs)]
    for of, path, whose in zip(sides, (files.user, files.agent), ("user", "agent"), strict=True):
        if not of.any():
            raise LabError(f"{path}: the {whose}'s channel is silent throughout.")
    stereo = np.zeros((max(map(len, sides)), 2), np.int16)
    for i, of in enumerate(sides):
        stereo[: len(of), i] = of
    return Call(files.name, stereo, rate_hz)


def _side(file: Path, channel: Side | None) -> Recorded:
    try:
        return read_channel(file, channel)
    except FixtureError as error:
        raise LabError(str(error)) from None


def _at(recorded: Recorded, rate_hz: int) -> NDArray[np.int16]:
    pcm = np.clip(np.rint(recorded.signal * 32_768), -32_768, 32_767).astype(np.int16)
    return resample(pcm, recorded.rate_hz, rate_hz)
