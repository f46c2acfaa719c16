"""Matrices of 8 or 4 bits with a scale for each group of weights, as MatMulNBits reads them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graph import Graph

F32 = npt.NDArray[np.float32]
GROUP = {8: 32, 4: 32}
"""Bits → number of weights that share a scale."""
_INT8_PRODUCTS = 4
"""``accuracy_level``: activations, too, are rounded to 8 bits, group by group."""


def linear(graph: Graph, x: str, matrix: F32, bias: F32 | None = None, bits: int = 8) -> str:
    """(rows, in) times ``matrix`` (in, out), plus ``bias`` (out,); ``in`` is a multiple of 32.

    Weights are symmetric: the scale of a group is its largest weight over 127 (or 7).
    """
    inputs, outputs = matrix.shape
    group = GROUP[bits]
    packed, scales = pack(np.ascontiguousarray(matrix.T), bits, group)
    names = [x, graph.weight(packed), graph.weight(scales)]
    if bias is not None:
        names += ["", "", graph.weight(np.asarray(bias, np.float32))]
    return graph.op(
        "MatMulNBits", *names, domain="com.microsoft", K=inputs, N=outputs, bits=bits,
        block_size=group, accuracy_level=_INT8_PRODUCTS,
    )  # fmt: skip


def pack(rows: F32, bits: int, group: int) -> tuple[npt.NDArray[np.uint8], F32]:
    """(out, in) → (out, in / group, group · bits / 8) unsigned, and scales (out · in / group,)."""
    outputs, inputs = rows.shape
    blocks = rows.reshape(outputs, inputs // group, group)
    most = 2 ** (bits - 1)
    scales = np.abs(blocks).max(axis=2) / np.float32(most - 1)
    safe = np.where(scales > 0, scales, np.float32(1.0))
    steps = np.rint(blocks / safe[..., None]).astype(np.int16) + most
    levels = steps.astype(np.uint8)
    if bits == 4:
        levels = levels[..., 0::2] | (levels[..., 1::2] << 4)
    return levels, np.ascontiguousarray(scales.reshape(-1), dtype=np.float32)
