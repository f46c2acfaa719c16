"""The keys and values of one conversation, in 8 bits where the weights are rounded, too.

A quarter of the memory to read in each step, which in a long conversation is more than the weights.
Each channel of a head has a scale. No sample says beforehand how large its values become, so scales
grow with them: for a value beyond its channel's range the channel's past is rounded anew, which
happens a few times in its first steps and hardly ever later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
LARGEST = 127
ROOM = np.float32(1.25)
"""Range of a channel over its largest value, when that grows."""
_TINY = np.float32(1e-12)


class Past:
    """Entries (layers, 2, 1, heads, steps, width), keys first, and their scales."""

    def __init__(
        self, layers: int, heads: int, steps: int, width: int, *, is_exact: bool = False
    ) -> None:
        """Makes the past of a new conversation.

        Args:
            layers: Of the transformer.
            heads: Of a layer.
            steps: Of the longest conversation.
            width: Of a head.
            is_exact: Keeps them in f32, without scales.
        """
        kind = np.float32 if is_exact else np.int8
        self.entries: npt.NDArray[Any] = np.zeros((layers, 2, 1, heads, steps, width), kind)
        """Becomes memory as it is used."""
        self.scales: F32 = np.ones((layers, 2, heads, 1, width), np.float32)
        """A value is its entry times this."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Name of a graph's input → its array, in this memory."""
        is_exact = self.entries.dtype == np.float32
        given: dict[str, npt.NDArray[Any]] = {}
        for i, (entries, scales) in enumerate(zip(self.entries, self.scales, strict=True)):
            for j, what in enumerate(("keys", "values")):
                given[f"{what}_{i}"] = entries[j]
                if not is_exact:
                    given[f"{what}_scales_{i}"] = scales[j]
        return given

    def fit(self, fresh: F32, at: int) -> bool:
        """Makes room for the values of a step, which the graph has written and perhaps cut off.

        Args:
            fresh: What they are: (layers, 2, heads, 1, width).
            at: The step. The first one sets the scales, by each head's largest value.

        Returns:
            True if the step must be computed again: it was the first, and its scales were no one's.
        """
        largest = np.abs(fresh)
        if not at:
            self.scales[...] = _scale_of(largest.max(axis=4, keepdims=True))
            return True
        over = largest > self.scales * np.float32(LARGEST)
        if over.any():
            self._grow(np.nonzero(over), largest, fresh, at)
        return False

    def _grow(self, where: tuple[Any, ...], largest: F32, fresh: F32, at: int) -> None:
        """Rounds the past of channels anew, so that the step's values fit, too."""
        layer, kind, head, _, channel = where
        new = _scale_of(largest[where])
        past = self.entries[layer, kind, 0, head, :at, channel]  # (channels, at)
        past = np.rint(past * (self.scales[where] / new)[:, None])
        self.entries[layer, kind, 0, head, :at, channel] = past.astype(np.int8)
        now = np.rint(fresh[where] / new)
        self.entries[layer, kind, 0, head, at, channel] = now.astype(np.int8)
        self.scales[where] = new


def _scale_of(largest: F32) -> F32:
    return np.asarray(np.maximum(largest * (ROOM / LARGEST), _TINY), np.float32)
