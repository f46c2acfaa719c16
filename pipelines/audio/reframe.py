"""Cuts a stream that comes in chunks of any size into frames of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Reframer:
    """One stream; the frames do not depend on the chunks."""

    def __init__(self, frame_samples: int) -> None:
        """Makes an empty buffer; ``frame_samples`` >= 1 is the length of each frame."""
        if frame_samples < 1:
            raise ValueError(f"a frame must have at least 1 sample, not {frame_samples}")
        self._frame_samples = frame_samples
        self._held: list[NDArray[Any]] = []
        self._count = 0

    @property
    def held(self) -> int:
        """Samples of the incomplete frame."""
        return self._count

    def feed(self, chunk: NDArray[Any]) -> list[NDArray[Any]]:
        """Takes (n,) samples and returns the frames that are complete, in order."""
        self._held.append(chunk)
        self._count += len(chunk)
        if self._count < self._frame_samples:
            return []
        joined = np.concatenate(self._held)
        whole = self._count // self._frame_samples * self._frame_samples
        self._held, self._count = [joined[whole:]], self._count - whole
        return list(joined[:whole].reshape(-1, self._frame_samples))

    def clear(self) -> None:
        """Drops the incomplete frame."""
        self._held, self._count = [], 0
