"""A dialogue's vectors in a quarter of their memory: of each frame, the likeliest words alone.

What the ear reads in a frame is a likelihood for each of 408 words, nearly all of them next to
nothing. In memory only the `LIKELIEST` are kept, so that 160 h of dialogues need 2 GB and not 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.ear import VECTOR

LIKELIEST = 12

Array = npt.NDArray[Any]


class Packed:
    """Stands in for (frames, width) float16; a slice of frames comes back whole."""

    def __init__(self, vectors: Array) -> None:
        likely = vectors[:, VECTOR:]
        few = min(LIKELIEST, likely.shape[1])
        self.shape = vectors.shape
        self._sound = vectors[:, :VECTOR].copy()
        self._places = np.argpartition(-likely, few - 1, 1)[:, :few].astype(np.uint16)
        self._shares = np.take_along_axis(likely, self._places.astype(np.int64), 1)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, frames: slice) -> Array:
        """(frames, width) float16; the words that are not among the likeliest: 0."""
        sound = self._sound[frames]
        whole = np.zeros((len(sound), self.shape[1]), np.float16)
        whole[:, :VECTOR] = sound
        np.put_along_axis(
            whole[:, VECTOR:], self._places[frames].astype(np.int64), self._shares[frames], 1
        )
        return whole
