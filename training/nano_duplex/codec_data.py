"""Crops of speech for the codec's training: from the shards of ``corpus.py`` to batches.

A user's crop is warped (pitch and formants), tilted and made louder or softer; what is *heard*
besides gets noise and a little of another speaker, what is *wanted* does not: the codec learns to
leave them out. The agent's one voice stays as it is, and begins on the frame grid in half of the
crops, as it does in dialogues.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipelines.duplex.nano.sound import FRAME, HOP, RATE_HZ
from training.nano_duplex.codec import HOPS, PLACES
from training.nano_duplex.codec_shards import AGENT, read_shards

UNKNOWN = -100
"""A phone that nobody labelled: the classifiers are not asked."""
_HEAD_S = 0.2
"""A crop may begin so long before its utterance, and end so long after it."""


@dataclass
class Batch:
    """What one step of training gets."""

    heard: Tensor
    """(B, n) float32: the encoder's input."""
    wanted: Tensor
    """(B, n) float32: what the decoder should give."""
    phones: Tensor
    """(B, frames, 2) int64, `UNKNOWN` where there is no label."""


class Speech:
    """All utterances of one split in memory, and seeded crops of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Loads every shard.

        Raises:
            FileNotFoundError: there is none.
        """
        self.pcm: list[npt.NDArray[np.int16]] = []
        self.phones: list[npt.NDArray[np.uint8]] = []
        self.roles: list[int] = []
        for said in read_shards(folder):
            self.pcm.append(said.pcm)
            self.phones.append(said.phones)
            self.roles.append(said.role)
        self.random = np.random.default_rng(seed)
        lengths = np.array([len(p) for p in self.pcm], float) + 2 * _HEAD_S * RATE_HZ
        agent = np.array(self.roles) == AGENT
        self._shares = [np.where(agent == is_agent, lengths, 0) for is_agent in (False, True)]
        self._shares = [share / share.sum() if share.sum() else share for share in self._shares]

    def batch(self, size: int, frames: int, agent_share: float, rough: bool = True) -> Batch:
        """``size`` crops of ``frames`` frames; without roughness nothing is added or warped."""
        length = frames * FRAME
        heard = np.zeros((size, length), np.float32)
        wanted = np.zeros_like(heard)
        phones = np.full((size, frames, len(PLACES)), UNKNOWN, np.int64)
        for row in range(size):
            agent = self.random.random() < agent_share
            if not self._shares[agent].any():
                agent = not agent
            index = int(self.random.choice(len(self.pcm), p=self._shares[agent]))
            speed = 1.0
            if rough and not agent and self.random.random() < 0.5:
                speed = float(self.random.uniform(0.85, 1.2))
            wanted[row], phones[row] = self._crop(index, frames, speed, agent)
            if rough and not agent:
                wanted[row] = self._tilt(wanted[row])
        heard[:] = wanted
        if rough:
            self._roughen(heard)
        return Batch(*(torch.from_numpy(x) for x in (heard, wanted, phones)))

    def _crop(
        self, index: int, frames: int, speed: float, agent: bool
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        pcm, labels = self.pcm[index], self.phones[index]
        length, head = frames * FRAME, int(_HEAD_S * RATE_HZ)
        last = max(-head + 1, len(pcm) + head - int(length * speed))
        begin = int(self.random.integers(-head, last))
        if agent and self.random.random() < 0.5:
            begin = begin // FRAME * FRAME
        places = begin + speed * np.arange(length)
        if speed == 1.0:
            out = np.zeros(length, np.float32)
            low, high = max(0, begin), max(0, min(len(pcm), begin + length))
            out[low - begin : high - begin] = pcm[low:high]
        else:
            out = np.interp(places, np.arange(len(pcm)), pcm, 0.0, 0.0).astype(np.float32)
        asked = (np.arange(frames)[:, None] * HOPS + np.array(PLACES) + 0.5) * HOP
        hops = np.floor((begin + speed * asked) / HOP).astype(int)
        inside = (hops >= 0) & (hops < len(labels))
        phones = np.where(inside, labels[np.clip(hops, 0, len(labels) - 1)], 0).astype(np.int64)
        return out / 32768.0, np.where(phones == 0, UNKNOWN, phones)

    def _tilt(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Brighter or darker, louder or softer; never beyond full scale."""
        if self.random.random() < 0.5:
            tilt = np.float32(self.random.uniform(-0.4, 0.6))
            before = np.concatenate([np.zeros(1, np.float32), pcm[:-1]])
            pcm = (pcm - tilt * before).astype(np.float32)
        gain = 10 ** self.random.uniform(-14 / 20, 6 / 20)
        peak = float(np.abs(pcm).max()) or 1.0
        out: npt.NDArray[np.float32] = (pcm * min(gain, 0.99 / peak)).astype(np.float32)
        return out

    def _roughen(self, heard: npt.NDArray[np.float32]) -> None:
        """Noise on most crops, another speaker at −20 to −40 dB on some; changed in place."""
        others = heard[self.random.permutation(len(heard))]
        for row, other in zip(heard, others, strict=True):
            if self.random.random() < 0.2:
                row += other * np.float32(10 ** self.random.uniform(-40 / 20, -20 / 20))
            if self.random.random() < 0.7:
                level = 10 ** self.random.uniform(-80 / 20, -45 / 20)
                noise = self.random.standard_normal(len(row), np.float32)
                if self.random.random() < 0.5:  # darker, as rooms are
                    noise[1:] += 0.9 * noise[:-1]
                row += noise * np.float32(level)
