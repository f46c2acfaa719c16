"""Mimi's two graphs: a frame of samples → its codes, and codes → a frame of samples.

Names of tensors are those of Kyutai's checkpoint ``tokenizer-e351c8d8-checkpoint125.safetensors``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx.graphs import quantised
from pipelines.duplex.moshi.onnx.graphs.mimi_shape import FRAME_SAMPLES, STEPS, MimiShape
from pipelines.duplex.moshi.onnx.graphs.pieces import (
    Build,
    past,
    residual,
    transformer,
    upsample,
    upward,
    upward_pieces,
    writing,
)
from pipelines.weights.safetensors import Reader

F32 = npt.NDArray[np.float32]

BLOCK = 8
"""Samples that the first convolution works on at once."""
LISTED = 16
"""Entries of a codebook whose distances are computed exactly."""
_EPSILON = 1e-5
FIRST_KERNEL = 7
"""Of the first convolution of either half."""


def write_encoder(
    path: Path, tensors: Reader, shape: MimiShape, codebooks: int, bits: int = 32
) -> None:
    """Writes ``pcm`` (batch, 1, 1920) → ``codes`` (batch, codebooks, 1) int64.

    Args:
        path: The graph's file; its weights lie beside it, under ``.data``.
        tensors: The checkpoint.
        shape: Its shape.
        codebooks: Number of codes of a frame.
        bits: Of the transformer's matrices, see `Build`.

    Raises:
        WeightsError: a tensor is missing, or has another shape than the others ask for.
    """
    with writing(path) as graph:
        width, steps = shape.filters, FRAME_SAMPLES
        pieces: dict[str, tuple[int, ...]] = {"encoder.model.0": (1, BLOCK)}
        for i, ratio in enumerate(shape.ratios):
            pieces[f"encoder.model.{1 + 3 * i}.block.1"] = past(width, steps)
            width, steps = 2 * width, steps // ratio
            pieces[f"encoder.model.{3 + 3 * i}"] = (1, width)
        last = f"encoder.model.{2 + 3 * len(shape.ratios)}"
        pieces |= {last: (2, width), "downsample": (1, 2 * shape.dim)}
        steps = FRAME_SAMPLES
        pcm = graph.input("pcm", ["batch", 1, steps])
        build = Build(graph, pieces, tensors, shape.ring, bits=bits)
        layers = build.layers
        width, name = shape.filters, "encoder.model.0"
        x = layers.conv_in(name, pcm, *build.conv(name, width, 1, 7), steps, BLOCK)
        for i, ratio in enumerate(shape.ratios):
            x = residual(build, f"encoder.model.{1 + 3 * i}", x, width, steps)
            x = layers.elu(x, steps * width)
            width, steps = 2 * width, steps // ratio
            name = f"encoder.model.{3 + 3 * i}"
            weight, bias = build.conv(name, width, width // 2, 2 * ratio)
            x = layers.conv_down(name, x, weight, bias, steps)
        weight, bias = build.conv(last, shape.dim, width, 3)
        x = layers.conv(last, layers.elu(x, steps * width), weight, bias, steps)
        x = transformer(build, "encoder_transformer", x)
        codes = _quantise(build, _downsample(build, x, shape.dim), shape, codebooks)
        graph.output(codes, "codes", ["batch", codebooks, 1], "int64")
        build.finish()


def write_decoder(
    path: Path, tensors: Reader, shape: MimiShape, codebooks: int, bits: int = 32
) -> None:
    """Writes ``codes`` (batch, codebooks, 1) int64 → ``pcm`` (batch, 1, 1920).

    Arguments and errors are those of `write_encoder`.
    """
    with writing(path) as graph:
        width, ratios = shape.widest, shape.ratios[::-1]
        pieces: dict[str, tuple[int, ...]] = {"upsample": (STEPS, shape.dim)}
        pieces |= upward_pieces(shape.dim, FIRST_KERNEL, width, ratios, STEPS)
        codes = graph.input("codes", ["batch", codebooks, 1], "int64")
        build = Build(graph, pieces, tensors, shape.ring, bits=bits)
        x = _dequantise(build, codes, shape, codebooks)
        x = upsample(build, x, "upsample.convtr.convtr.convtr", shape.dim)
        x = transformer(build, "decoder_transformer", x)
        x = upward(build, x, shape.dim, FIRST_KERNEL, width, ratios, STEPS)
        graph.output(x, "pcm", ["batch", 1, FRAME_SAMPLES])
        build.finish()


def _downsample(build: Build, x: str, dim: int) -> str:
    """(batch, 2, dim) → (batch, dim); before a conversation's first step lies that step itself."""
    graph, state = build.graph, build.state
    weight = build.tensors("downsample.conv.conv.conv.weight", dim, dim, 2 * STEPS)
    pair = graph.reshape(x, 0, 1, STEPS * dim)
    first = graph.slice(x, 1, 0, 1)
    before = graph.concat(2, first, first)
    is_first = graph.op("Equal", build.attention.position, graph.constant(0))
    is_first = graph.op("Unsqueeze", is_first, graph.constant([1, 2]))
    held = graph.op("Where", is_first, before, state.read("downsample"))
    state.write("downsample", pair)
    rows = graph.reshape(graph.concat(2, held, pair), -1, 2 * STEPS * dim)
    return build.few(rows, weight.transpose(2, 1, 0).reshape(2 * STEPS * dim, dim), None)


def _rooms(codebooks: int) -> list[tuple[str, int]]:
    """The two quantisers, and how many of the codebooks are theirs."""
    return [("quantizer.rvq_first", 1), ("quantizer.rvq_rest", codebooks - 1)]


def _codebook(build: Build, shape: MimiShape, room: str, index: int) -> F32:
    """(entries, width)"""
    tensors = build.tensors
    name = f"{room}.vq.layers.{index}._codebook"
    usage = np.maximum(tensors(f"{name}.cluster_usage", shape.entries), np.float32(_EPSILON))
    total = tensors(f"{name}.embedding_sum", shape.entries, shape.book_width)
    return np.asarray(total / usage[:, None], np.float32)


def _quantise(build: Build, x: str, shape: MimiShape, codebooks: int) -> str:
    """(batch, dim) → (batch, codebooks, 1): the nearest entry, then that of what is left, …"""
    graph = build.graph
    codes = []
    for room, count in _rooms(codebooks):
        down = build.tensors(f"{room}.input_proj.weight", shape.book_width, shape.dim, 1)
        left = graph.linear(x, down[:, :, 0].T)
        for i in range(count):
            code, entry = _nearest(build, left, _codebook(build, shape, room, i))
            codes.append(graph.reshape(code, -1, 1, 1))
            if i + 1 < count:
                left = graph.op("Sub", left, entry)
    return graph.concat(1, *codes)


def _nearest(build: Build, x: str, book: F32) -> tuple[str, str]:
    """(batch, width) → the nearest entry's code (batch, 1), and the entry (batch, width).

    A large book is read in 8 bits for a short list, and exactly for those on it alone: what 8 bits
    err by is a hundredth of what lies between the best and the last of the list.
    """
    graph = build.graph
    half = ((book.astype(np.float64) ** 2).sum(axis=1) / 2).astype(np.float32)
    entries = graph.weight(book)
    if len(book) <= 8 * LISTED or book.shape[1] % quantised.GROUP:
        code = graph.op("ArgMin", graph.linear(x, -book.T, half), axis=1, keepdims=1)
        return code, graph.op("Gather", entries, graph.reshape(code, -1))
    nearness = graph.op("Sub", quantised.linear(graph, x, book.T), graph.weight(half))
    _, listed = graph.ops("TopK", 2, nearness, graph.constant([LISTED]), axis=1, sorted=0)
    shown = graph.op("Gather", entries, listed)  # (batch, listed, width)
    product = graph.op("MatMul", shown, graph.op("Unsqueeze", x, graph.constant([2])))
    halves = graph.op("Gather", graph.weight(half[:, None]), listed)
    place = graph.op("ArgMin", graph.op("Sub", halves, product), axis=1, keepdims=1)
    code = graph.op("GatherElements", listed, graph.reshape(place, -1, 1), axis=1)
    return code, graph.op("Gather", entries, graph.reshape(code, -1))


def _dequantise(build: Build, codes: str, shape: MimiShape, codebooks: int) -> str:
    """(batch, codebooks, 1) → (batch, dim)"""
    graph = build.graph
    each = iter(graph.split(codes, 1, [1] * codebooks))
    total = ""
    for room, count in _rooms(codebooks):
        entries = ""
        for i in range(count):
            code = graph.reshape(next(each), -1)
            entry = graph.op("Gather", graph.weight(_codebook(build, shape, room, i)), code)
            entries = graph.op("Add", entries, entry) if entries else entry
        up = build.tensors(f"{room}.output_proj.weight", shape.dim, shape.book_width, 1)
        y = graph.linear(entries, up[:, :, 0].T)
        total = graph.op("Add", total, y) if total else y
    return total
