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
from bench.recorded.words import GivenWord, Speaker, read_words, words_beside
from bench.store.labels import UserEvent
from pipelines.audio.resample import resample
from pipelines.errors import LabError

Side = Literal["left", "right"]
OTHER: dict[Side, Side] = {"left": "right", "right": "left"}
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".webm", ".aiff", ".au"})
PAIRS = (("user", "agent"), ("caller", "agent"), ("input", "output"), ("user", "assistant"))
"""Endings or names of two mono files that are one call: ``7.user.wav`` and ``7.agent.wav``, or
``user.wav`` and ``agent.wav`` in a folder."""

LONGEST_S = 3600
"""Limit of a call's length, s: what fits into memory."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a benchmark says of one of its samples."""

    task: str
    """Version and task."""
    labels: tuple[tuple[str, float, float, UserEvent], ...]
    """Kind, start and end (s), and what the user's speech in it is, of each label."""
    people: tuple[float, ...] = ()
    """People's timing of backchannels to it; empty: unknown."""


@dataclass(frozen=True, slots=True)
class CallFiles:
    """One call, not read yet."""

    name: str
    """Name of its trial."""
    user: Path
    agent: Path
    """The same as ``user`` where one stereo file holds both."""
    user_words: Path | None = None
    """Words of the user, or of both speakers; None: there are none."""
    agent_words: Path | None = None
    """Words of the agent; the same as ``user_words`` where one file holds both."""
    labelled: Labelled | None = None
    """The benchmark that it is a sample of; None: none."""
    preset_ending: str = ""
    """Ending of the preset's name, where calls of one folder stand under several."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call."""

    name: str
    stereo: NDArray[np.int16]  # (n, 2): user, agent
    rate_hz: int
    user_words: tuple[GivenWord, ...] | None = None
    """The user's words, by time; None: they are not known."""
    agent_words: tuple[GivenWord, ...] | None = None
    """The agent's words; None: they are not known."""
    labelled: Labelled | None = None
    """What a benchmark says of it."""


def calls_in(path: Path) -> list[CallFiles]:
    """The calls of a file, or of a folder and its folders.

    Raises:
        LabError: there is none.
    """
    if path.is_file():
        return [_stereo(path.stem, path)]
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
            yield _stereo(name, file)
            continue
        taken |= {file, other}
        user, agent = (file, other) if _is_user(file) else (other, file)
        yield CallFiles(_common(name), user, agent, words_beside(user), words_beside(agent))


def _stereo(name: str, file: Path) -> CallFiles:
    words = words_beside(file)
    return CallFiles(name, file, file, words, words)


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
        is_sample = bool(files.labelled) or bool(files.preset_ending)
        if not of.any() and not (is_sample and whose == "agent"):  # a benchmark counts silence
            raise LabError(f"{path}: the {whose}'s channel is silent throughout.")
    stereo = np.zeros((max(map(len, sides)), 2), np.int16)
    for i, of in enumerate(sides):
        stereo[: len(of), i] = of
    user_words, agent_words = _words(files)
    return Call(files.name, stereo, rate_hz, user_words, agent_words, files.labelled)


def _side(file: Path, channel: Side | None) -> Recorded:
    try:
        return read_channel(file, channel, LONGEST_S)
    except FixtureError as error:
        raise LabError(str(error)) from None


Words = tuple[GivenWord, ...] | None


def _words(files: CallFiles) -> tuple[Words, Words]:
    """The words of the user and of the agent, as far as files hold them."""
    if files.user_words is None or files.user_words != files.agent_words:
        mine, theirs = (
            None if path is None else tuple(read_words(path))
            for path in (files.user_words, files.agent_words)
        )
        return mine, theirs
    found = read_words(files.user_words)
    if any(not word.speaker for word in found):
        raise LabError(
            f"{files.user_words}: does not say who speaks: 'speaker' of each word must be user or "
            "agent, or the words must stand in two lists, 'user' and 'agent'."
        )

    def of(who: Speaker) -> tuple[GivenWord, ...]:
        return tuple(word for word in found if word.speaker == who)

    return of("user"), of("agent")


def _at(recorded: Recorded, rate_hz: int) -> NDArray[np.int16]:
    pcm = np.clip(np.rint(recorded.signal * 32_768), -32_768, 32_767).astype(np.int16)
    return resample(pcm, recorded.rate_hz, rate_hz)
