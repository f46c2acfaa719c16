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
        self, layers: int, heads: int, steps: int, width: int, scales: F32 | None = None
    ) -> None:
        """Makes the past of a new conversation.

        Args:
            layers: Of the transformer.
            heads: Of a layer.
            steps: Of the longest conversation.
            width: Of a head.
            scales: To begin with, see `scales_of`; None: entries are in f32, without scales.
        """
        kind = np.float32 if scales is None else np.int8
        self.entries: npt.NDArray[Any] = np.zeros((layers, 2, 1, heads, steps, width), kind)
        """Becomes memory as it is used."""
        self.scales: F32 | None = None if scales is None else scales.copy()
        """(layers, 2, heads, 1, width): a value is its entry times this."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Name of a graph's input → its array, in this memory."""
        given: dict[str, npt.NDArray[Any]] = {}
        for i, layer in enumerate(self.entries):
            for j, what in enumerate(("keys", "values")):
                given[f"{what}_{i}"] = layer[j]
                if self.scales is not None:
                    given[f"{what}_scales_{i}"] = self.scales[i, j]
        return given

    def fit(self, fresh: F32, at: int) -> None:
        """Makes room for the values of a step, which the graph has written and perhaps cut off.

        Args:
            fresh: What they are: (layers, 2, heads, 1, width).
            at: The step.
        """
        assert self.scales is not None, "f32 needs no room"
        largest = np.abs(fresh)
        where = np.nonzero(largest > self.scales * np.float32(LARGEST))
        if not len(where[0]):
            return
        layer, kind, head, _, channel = where
        scales = _scales(largest[where])
        past = self.entries[layer, kind, 0, head, :at, channel]  # (channels, at)
        past = np.rint(past * (self.scales[where] / scales)[:, None])
        self.entries[layer, kind, 0, head, :at, channel] = past.astype(np.int8)
        now = np.rint(fresh[where] / scales)
        self.entries[layer, kind, 0, head, at, channel] = now.astype(np.int8)
        self.scales[where] = scales


def scales_of(fresh: F32) -> F32:
    """The scales to begin with: by the largest value of each head in the first step.

    Args:
        fresh: Its keys and values: (layers, 2, heads, 1, width).
    """
    largest = np.abs(fresh).max(axis=4, keepdims=True)
    return np.broadcast_to(_scales(largest), fresh.shape).copy()


def _scales(largest: F32) -> F32:
    return np.asarray(np.maximum(largest * (ROOM / LARGEST), _TINY), np.float32)
