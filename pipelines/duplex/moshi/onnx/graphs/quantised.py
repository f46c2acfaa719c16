"""Matrices of 8 or 4 bits with a scale for each group of weights, as MatMulNBits reads them; and
of two halves of 8 bits each, where 8 are too few.

A weight of the former is ``scale · (level - zero)``, as in moshi_mlx's files, whose zero is a whole
number, too: the scale is chosen so that the weight of the largest size and 0 are both met exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs.graph import Graph

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
GROUP = 32
"""Number of weights that share a scale, where we choose it."""
_UINT8 = 2
"""``onnx.TensorProto``'s number of the type."""
_INT8_PRODUCTS = 4
"""``accuracy_level``: activations, too, are rounded to 8 bits, group by group."""
_TINY = np.float32(1e-7)
_WEIGHT_HALF = 127
_VALUE_HALF = 63
"""Largest half of a value. As bytes, around `_MIDDLE`, values are 1 to 127: the sum of two products
with weights fits 16 bits, without which AVX2's instruction would cut it off. Weights have the wider
range, because each value has a scale for its row alone, and a weight one for a whole column."""
_MIDDLE = 64
"""The unsigned byte that stands for 0."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """A matrix (out, in)."""

    bits: int
    """4 or 8."""
    group: int
    """Weights of a row that share a scale."""
    levels: U8
    """(out, in): 0 to 2^bits - 1."""
    scales: F32
    """(out, in / group)"""
    zeros: U8
    """(out, in / group): the level of 0."""

    def dense(self) -> F32:
        """The weights."""
        steps = self.levels.astype(np.float32) - np.repeat(self.zeros, self.group, axis=1)
        return np.asarray(steps * np.repeat(self.scales, self.group, axis=1), np.float32)


def quantise(rows: F32, bits: int, group: int = GROUP) -> Quantised:
    """(out, in) in so many bits, group by group; ``in`` is a multiple of the group."""
    outputs, inputs = rows.shape
    blocks = rows.reshape(outputs, inputs // group, group)
    most = 2**bits - 1
    low, high = np.minimum(blocks.min(axis=2), 0), np.maximum(blocks.max(axis=2), 0)
    from_below = np.abs(low) > np.abs(high)  # counted from the end that is farther from 0
    edge = np.where(from_below, low, high)
    scales = np.maximum((high - low) / most, _TINY) * np.where(from_below, 1, -1)
    steps = np.rint(edge / scales)  # from that end to 0: negative
    scales = np.where(steps == 0, scales, edge / np.where(steps == 0, 1, steps))
    zeros = np.clip(-steps, 0, most)
    levels = np.clip(np.rint(blocks / scales[..., None]) + zeros[..., None], 0, most)
    return Quantised(
        bits,
        group,
        levels.astype(np.uint8).reshape(outputs, inputs),
        scales.astype(np.float32),
        zeros.astype(np.uint8),
    )


def of_mlx(words: npt.NDArray[np.uint32], scales: F32, biases: F32, bits: int) -> Quantised:
    """A matrix of moshi_mlx's: packed words (out, in · bits / 32), the first weight in the lowest
    bits; a weight is ``scale · level + bias``.

    A group whose weights are far from 0 has no level for it: that one is rounded again.
    """
    per_word = 32 // bits
    shifts = np.arange(per_word, dtype=np.uint32) * np.uint32(bits)
    levels = (words[..., None] >> shifts) & np.uint32(2**bits - 1)
    levels = levels.reshape(len(words), -1).astype(np.uint8)
    most = 2**bits - 1
    group = levels.shape[1] // scales.shape[1]
    zeros = np.rint(-biases / np.where(scales == 0, np.float32(1.0), scales))
    found = Quantised(bits, group, levels, scales, np.clip(zeros, 0, most).astype(np.uint8))
    rows = np.flatnonzero(((zeros < 0) | (zeros > most)).any(axis=1))
    if len(rows):
        steps = np.repeat(scales[rows], group, axis=1) * levels[rows]
        again = quantise(steps + np.repeat(biases[rows], group, axis=1), bits, group)
        outside = (zeros[rows] < 0) | (zeros[rows] > most)
        inside = np.repeat(~outside, group, axis=1)
        found.scales[rows] = np.where(outside, again.scales, scales[rows])
        found.zeros[rows] = np.where(outside, again.zeros, found.zeros[rows])
        found.levels[rows] = np.where(inside, levels[rows], again.levels)
    return found


def linear(graph: Graph, x: str, matrix: F32, bits: int = 8) -> str:
    """(rows, in) times ``matrix`` (in, out), rounded to so many bits."""
    return product(graph, x, quantise(np.ascontiguousarray(matrix.T), bits))


def product(graph: Graph, x: str, matrix: Quantised) -> str:
    """(rows, in) times a matrix (out, in)."""
    outputs, inputs = matrix.levels.shape
    blocks = matrix.levels.reshape(outputs, inputs // matrix.group, matrix.group)
    parts = (
        _packed(blocks, matrix.bits),
        np.ascontiguousarray(matrix.scales.reshape(-1), np.float32),
        _packed(matrix.zeros, matrix.bits).reshape(-1),
    )
    return graph.op(
        "MatMulNBits", x, *(graph.weight(part) for part in parts), domain="com.microsoft",
        K=inputs, N=outputs, bits=matrix.bits, block_size=matrix.group,
        accuracy_level=_INT8_PRODUCTS,
    )  # fmt: skip


def halves(graph: Graph, x: str, matrix: F32, bias: F32 | None = None) -> str:
    """(rows, in) times ``matrix`` (in, out), plus ``bias`` (out,): both factors in two halves of 8
    bits, so that a weight is read in 2 bytes and its error is 10,000 times smaller than the largest
    of its column. Each row of ``x`` has a scale of its own.
    """
    largest = np.maximum(np.abs(matrix).max(axis=0), _TINY)
    scales = np.asarray(largest / _WEIGHT_HALF, np.float32)  # (out,)
    upper = np.rint(matrix / scales)
    lower = np.rint((matrix / scales - upper) * 2 * _WEIGHT_HALF)
    both = np.concatenate((upper, lower), axis=1).astype(np.int8)
    both_scales = np.concatenate((scales, scales / (2 * _WEIGHT_HALF)))

    def number(value: float) -> str:
        return graph.constant(value, "float32")

    top = graph.op("ReduceMax", graph.op("Abs", x), graph.constant([1]), keepdims=1)
    scale = graph.op("Max", graph.op("Mul", top, number(1 / _VALUE_HALF)), number(1e-30))
    steps = graph.op("Div", x, scale)
    whole = graph.op("Round", steps)
    rest = graph.op("Mul", graph.op("Sub", steps, whole), number(2 * _VALUE_HALF))
    shifted = graph.op("Add", graph.concat(0, whole, rest), number(_MIDDLE + 0.5))
    parts = graph.op(
        "MatMulIntegerToFloat",
        graph.op("Cast", shifted, to=_UINT8),
        graph.weight(both),
        number(1.0),
        graph.weight(both_scales),
        graph.constant(_MIDDLE, "uint8"),
        domain="com.microsoft",
    )  # (2 · rows, 2 · out)
    large, small = graph.ops("Split", 2, parts, axis=0, num_outputs=2)
    parts = graph.op("Add", large, graph.op("Mul", small, number(0.5 / _VALUE_HALF)))
    large, small = graph.ops("Split", 2, parts, axis=1, num_outputs=2)
    y = graph.op("Mul", graph.op("Add", large, small), scale)
    return y if bias is None else graph.op("Add", y, graph.weight(np.asarray(bias, np.float32)))


def _packed(levels: U8, bits: int) -> U8:
    """Two levels of 4 bits in each byte of the last axis, the first in the lower half."""
    if bits == 8:
        return levels
    if levels.shape[-1] % 2:
        levels = np.concatenate((levels, np.zeros_like(levels[..., :1])), axis=-1)
    return np.asarray(levels[..., 0::2] | (levels[..., 1::2] << 4), np.uint8)
