"""Reads the shards of single utterances that ``corpus.py codec`` wrote; numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.sound import HOP

USER, AGENT = 0, 1
SILENCE = 1
"""The phone label of a pause; 0 is unknown."""


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance between silences."""

    pcm: npt.NDArray[np.int16]
    """(n,) 24 kHz, whole frames."""
    phones: npt.NDArray[np.uint8]
    """(n / 240,) labels."""
    role: int
    text: str
    voice: str
    """Synthesiser, voice and changes, e.g. ``flite.rms.t100.p100.s100``."""

    @property
    def speaker(self) -> str:
        """Synthesiser and voice without changes or accent, e.g. ``espeak.f2``."""
        engine, base = self.voice.split(".")[:2]
        return f"{engine}.{base.rsplit('+', 1)[-1]}"


def read_shards(folder: Path) -> Iterator[Said]:
    """All utterances of one split, shard by shard.

    Raises:
        FileNotFoundError: there is no shard.
    """
    shards = sorted(folder.glob("[0-9]*.npz"))
    if not shards:
        raise FileNotFoundError(f"{folder} holds no shards: run training.nano_duplex.corpus codec")
    for shard in shards:
        with np.load(shard, allow_pickle=False) as held:
            pcm, phones, offsets = held["pcm"], held["phones"], held["offsets"]
            rows = zip(held["role"], held["text"], held["voice"], strict=True)
            for begin, end, (role, text, voice) in zip(
                offsets[:-1], offsets[1:], rows, strict=True
            ):
                labels = phones[begin // HOP : end // HOP]
                yield Said(pcm[begin:end], labels, int(role), str(text), str(voice))
