"""Attention over a ring of keys and values that lies outside the graph, so that nothing is copied.

The graph sees the ring as it was before this call and returns the new keys and values; its owner
writes them over the oldest ones. Which entries are valid, and their positions, follow from the
number of steps so far, so a reset is that number set to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs.graph import Graph, Linear

F32 = npt.NDArray[np.float32]
_NEVER = -1e9


@dataclass(frozen=True, slots=True)
class Ring:
    """Shape of the attention of one transformer."""

    layers: int
    heads: int
    width: int
    """Of a head."""
    context: int
    """Steps that a step sees, itself among them."""
    steps: int
    """Number of new steps of a call."""
    max_period: float = 10_000.0

    @property
    def slots(self) -> int:
        """Entries of the ring: the context, in whole calls."""
        return -(-self.context // self.steps) * self.steps


class RingAttention:
    """The attention of all layers of one transformer."""

    def __init__(self, graph: Graph, ring: Ring) -> None:
        """Declares the inputs: ``position`` (batch,) int64, the number of steps so far, and of each
        layer ``keys_i`` (batch, heads, width, slots) and ``values_i`` (batch, heads, slots, width).
        """
        self._graph, self._ring = graph, ring
        self.position = graph.input("position", ["batch"], "int64")
        self._rope(self.position)
        self._bias = self._allowed(self.position)
        keys: list[int | str] = ["batch", ring.heads, ring.width, ring.slots]
        values: list[int | str] = ["batch", ring.heads, ring.slots, ring.width]
        self._past = [
            (graph.input(f"keys_{i}", keys), graph.input(f"values_{i}", values))
            for i in range(ring.layers)
        ]
        self._fresh: list[tuple[str, str]] = []

    def attend(self, x: str, in_proj: F32, linear: Linear) -> str:
        """One layer, in order.

        Args:
            x: (batch · steps, dim), normalised.
            in_proj: (3 · dim, dim), as in the checkpoint.
            linear: A product.

        Returns:
            (batch · steps, dim), before the output projection.
        """
        graph, ring = self._graph, self._ring
        heads, width = ring.heads, ring.width
        dim = heads * width
        scaled = in_proj.copy()
        scaled[:dim] *= np.float32(width**-0.5)
        projected = graph.reshape(linear(x, scaled.T), -1, ring.steps, 3 * heads, width)
        all_heads = graph.op("Transpose", projected, perm=[0, 2, 1, 3])
        turned, values = graph.split(all_heads, 1, [2 * heads, heads])
        turned = graph.op(
            "RotaryEmbedding", turned, self._steps, self._cos, self._sin,
            domain="com.microsoft", interleaved=1,
        )  # fmt: skip
        queries, keys = graph.split(turned, 1, [heads, heads])
        keys = graph.op("Transpose", keys, perm=[0, 1, 3, 2])
        past_keys, past_values = self._past[len(self._fresh)]
        self._fresh.append((keys, values))
        scores = graph.concat(
            3, graph.op("MatMul", queries, past_keys), graph.op("MatMul", queries, keys)
        )
        weights = graph.op("Softmax", graph.op("Add", scores, self._bias), axis=-1)
        of_past, of_now = graph.split(weights, 3, [ring.slots, ring.steps])
        seen = graph.op(
            "Add",
            graph.op("MatMul", of_past, past_values),
            graph.op("MatMul", of_now, values),
        )
        return graph.reshape(graph.op("Transpose", seen, perm=[0, 2, 1, 3]), -1, dim)

    def finish(self) -> None:
        """Declares the outputs: ``fresh_keys`` (layers, batch, heads, width, steps) and
        ``fresh_values`` (layers, batch, heads, steps, width).
        """
        ring = self._ring
        shapes = ([ring.width, ring.steps], [ring.steps, ring.width])
        for name, parts, last in zip(
            ("fresh_keys", "fresh_values"), zip(*self._fresh, strict=True), shapes, strict=True
        ):
            lifted = [self._graph.op("Unsqueeze", p, self._graph.constant([0])) for p in parts]
            whole = self._graph.concat(0, *lifted)
            self._graph.output(whole, name, [ring.layers, "batch", ring.heads, *last])

    def _rope(self, position: str) -> None:
        """Cosines and sines of this call's steps: (batch · steps, width / 2)."""
        graph, ring = self._graph, self._ring
        half = ring.width // 2
        rates = ring.max_period ** (-np.arange(half) / half)
        at = graph.op("Unsqueeze", position, graph.constant([1]))
        at = graph.op("Add", at, graph.constant(np.arange(ring.steps)))  # (batch, steps)
        at = graph.op("Cast", graph.reshape(at, -1, 1), to=1)
        angles = graph.op("Mul", at, graph.constant(rates, "float32"))
        self._cos, self._sin = graph.op("Cos", angles), graph.op("Sin", angles)
        # Row of those tables for each step of each conversation: 0, 1, …, batch · steps - 1.
        count = graph.op("Mul", graph.op("Shape", position), graph.constant([ring.steps]))
        count = graph.op("Squeeze", count)
        rows = graph.op("Range", graph.constant(0), count, graph.constant(1))
        self._steps = graph.reshape(rows, -1, ring.steps)

    def _allowed(self, position: str) -> str:
        """What is added to the scores: (batch, 1, steps, slots + steps), 0 or very small.

        Slot j holds the latest step before this call that is j modulo the slots; query i sees it if
        there is such a step, and it is less than the context back.
        """
        graph, ring = self._graph, self._ring
        now = graph.op("Unsqueeze", position, graph.constant([1, 2]))  # (batch, 1, 1)
        past = graph.op("Sub", now, graph.constant(np.arange(ring.slots) + 1))
        back = graph.op("Mod", past, graph.constant(ring.slots))
        back = graph.op("Add", back, graph.constant(1))  # (batch, 1, slots) steps back, 1 …
        written = graph.op("LessOrEqual", back, now)
        queries = np.arange(ring.steps)[:, None]
        distance = graph.op("Add", back, graph.constant(queries))
        near = graph.op("Less", distance, graph.constant(ring.context))
        sees = graph.op("And", written, near)
        zero, never = graph.constant(0.0, "float32"), graph.constant(_NEVER, "float32")
        of_past = graph.op("Where", sees, zero, never)  # (batch, steps, slots)
        later = np.where(np.arange(ring.steps) <= queries, 0.0, _NEVER)[None]
        shape = graph.concat(
            0, graph.op("Shape", position), graph.constant([ring.steps, ring.steps])
        )
        of_now = graph.op("Expand", graph.constant(later, "float32"), shape)
        return graph.op("Unsqueeze", graph.concat(2, of_past, of_now), graph.constant([1]))
