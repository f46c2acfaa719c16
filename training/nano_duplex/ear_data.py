"""What users say, each utterance with its words: for the training of the ear.

Two sources: the codec's single utterances, which have phones, and the users' turns cut out of the
dialogues, which have rooms, noise, telephones, pauses and the agent's echo.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipelines.duplex.nano.sound import FRAME, HOP
from training.nano_duplex.codec import HOPS, PLACES
from training.nano_duplex.codec_data import UNKNOWN
from training.nano_duplex.codec_shards import USER, read_shards

PITCH = (0.8, 1.45)
"""Speech is played faster or slower by this: its pitch, its formants and its tempo."""
FORMANTS = (0.85, 1.3)
"""Then the filters are stretched until its formants, as heard, are changed by this in all."""
BEND = 0.1
"""And bent by up to this, the high ones against the low ones: see `ear.warped_filters`."""
BEFORE, AFTER = 2, 4
"""Frames of a dialogue that are cut out with a turn; in the last ones its last word may be told."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One utterance of a user."""

    pcm: npt.NDArray[np.int16]
    """(n,) at 24 kHz."""
    words: tuple[str, ...]
    phones: npt.NDArray[np.uint8] | None
    """(n / 240,); None where nobody labelled them."""
    voice: str


@dataclass(slots=True)
class Batch:
    """What one step gets."""

    pcm: Tensor
    """(B, n) float32, whole frames."""
    words: list[Tensor]
    """(B) ids of the words, from 1 on."""
    frames: Tensor
    """(B,) frames that each utterance takes."""
    phones: Tensor
    """(B, frames, 2) int64, `UNKNOWN` where there is no label."""
    stretch: Tensor
    """(B,) the filters' stretch, see `ear.warped_filters`."""
    bend: Tensor
    """(B,) and their bend."""


def single(folder: Path) -> Iterator[Spoken]:
    """The users' utterances of one split of the codec's corpus."""
    for said in read_shards(folder):
        if said.role == USER:
            yield Spoken(said.pcm, tuple(said.text.split()), said.phones, said.speaker)


def turns(folder: Path) -> Iterator[Spoken]:
    """The users' turns of one split of the dialogues."""
    for shard in sorted(folder.glob("[0-9]*.npz")):
        with np.load(shard, allow_pickle=False) as held:
            user, frames, records = held["user"], held["offsets"], held["record"]
        for (start, end), told in zip(pairwise(frames), records, strict=True):
            record = json.loads(str(told))
            sound = user[start * FRAME : end * FRAME]
            last = 0
            for turn in record["turns"]:
                first, past = turn["user_frames"]
                first, past = max(last, first - BEFORE), min(end - start, past + AFTER)
                words = tuple(str(w) for w, a, b in record["words"] if first <= a and b <= past)
                last = past
                if past > first:
                    pcm = sound[first * FRAME : past * FRAME].copy()
                    yield Spoken(pcm, words, None, record["voice"])


class Utterances:
    """All of them in memory, and seeded batches of like length."""

    def __init__(self, spoken: Sequence[Spoken], vocabulary: Sequence[str]) -> None:
        self.spoken = list(spoken)
        ids = {word: place + 1 for place, word in enumerate(vocabulary)}
        self.ids = [torch.tensor([ids[w] for w in s.words if w in ids]) for s in self.spoken]

    def batches(self, frames: int, rng: np.random.Generator) -> list[list[int]]:
        """All utterances once, in batches of at most so many frames, in a random order."""
        sizes = np.array([len(s.pcm) // FRAME + BEFORE for s in self.spoken])
        order = np.argsort(sizes + 8 * rng.random(len(sizes)))
        made: list[list[int]] = [[]]
        longest = 0
        for index in order:
            longest = max(longest, int(sizes[index]))
            if made[-1] and longest * (len(made[-1]) + 1) > frames:
                made.append([])
                longest = int(sizes[index])
            made[-1].append(int(index))
        rng.shuffle(made)
        return made

    def batch(self, chosen: Sequence[int], rng: np.random.Generator | None) -> Batch:
        """These utterances; with a generator, changed: pitch, formants, tilt, gain, noise."""
        speeds = np.ones(len(chosen))
        stretch, bend = np.ones(len(chosen)), np.zeros(len(chosen))
        if rng is not None:
            speeds = np.where(rng.random(len(chosen)) < 0.7, rng.uniform(*PITCH, len(chosen)), 1.0)
            formants = rng.uniform(*FORMANTS, len(chosen))
            stretch = np.where(rng.random(len(chosen)) < 0.8, speeds / formants, 1.0)
            bend = np.where(rng.random(len(chosen)) < 0.6, rng.uniform(-BEND, BEND, len(chosen)), 0)
        rows = [
            self._row(self.spoken[i], speed, rng) for i, speed in zip(chosen, speeds, strict=True)
        ]
        frames = torch.tensor([len(pcm) // FRAME for pcm, _ in rows])
        longest = int(frames.max())
        heard = np.zeros((len(rows), longest * FRAME), np.float32)
        phones = np.full((len(rows), longest, len(PLACES)), UNKNOWN, np.int64)
        for row, (pcm, labels) in enumerate(rows):
            heard[row, : len(pcm)] = pcm
            phones[row, : len(labels)] = labels
        words = [self.ids[i] for i in chosen]
        return Batch(
            torch.from_numpy(heard),
            words,
            frames,
            torch.from_numpy(phones),
            torch.from_numpy(stretch.astype(np.float32)),
            torch.from_numpy(bend.astype(np.float32)),
        )

    @staticmethod
    def _row(
        said: Spoken, speed: float, rng: np.random.Generator | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        pcm = said.pcm.astype(np.float32) / np.float32(32768)
        lead = 0 if rng is None else int(rng.integers(FRAME))
        if speed != 1:
            places = np.arange(0, len(pcm) - 1, speed, dtype=np.float32)
            pcm = np.interp(places, np.arange(len(pcm)), pcm).astype(np.float32)
        size = -(-(lead + len(pcm) + (AFTER * FRAME if said.phones is not None else 0)) // FRAME)
        heard = np.zeros(size * FRAME, np.float32)
        heard[lead : lead + len(pcm)] = pcm
        if rng is not None:
            _change(heard, rng)
        else:
            heard += np.random.default_rng(1).standard_normal(len(heard), np.float32) * 1e-4
        labels = np.full((size, len(PLACES)), UNKNOWN, np.int64)
        if said.phones is not None:
            asked = (np.arange(size)[:, None] * HOPS + np.array(PLACES) + 0.5) * HOP
            hops = np.floor(speed * (asked - lead) / HOP).astype(int)
            inside = (hops >= 0) & (hops < len(said.phones))
            found = np.where(inside, said.phones[np.clip(hops, 0, len(said.phones) - 1)], 0)
            labels = np.where(found == 0, UNKNOWN, found.astype(np.int64))
        return heard, labels


def _change(heard: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Tilt, gain and noise, in place."""
    if rng.random() < 0.5:
        heard[1:] -= np.float32(rng.uniform(-0.4, 0.6)) * heard[:-1].copy()
    peak = float(np.abs(heard).max()) or 1.0
    heard *= np.float32(min(10 ** rng.uniform(-14 / 20, 6 / 20), 0.99 / peak))
    if rng.random() < 0.7:
        noise = rng.standard_normal(len(heard), np.float32)
        if rng.random() < 0.5:  # darker, as rooms are
            noise[1:] += 0.9 * noise[:-1].copy()
        heard += noise * np.float32(10 ** rng.uniform(-80 / 20, -45 / 20))
