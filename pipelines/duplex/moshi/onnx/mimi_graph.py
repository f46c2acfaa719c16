"""Mimi's two graphs: a frame of samples → its codes, and codes → a frame of samples.

Names of tensors are those of Kyutai's checkpoint ``tokenizer-e351c8d8-checkpoint125.safetensors``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx import quantised
from pipelines.duplex.moshi.onnx.convolutions import Layers, Product, is_paired
from pipelines.duplex.moshi.onnx.graph import Graph, Linear
from pipelines.duplex.moshi.onnx.mimi_shape import FRAME_SAMPLES, STEPS, MimiShape
from pipelines.duplex.moshi.onnx.ring import RingAttention
from pipelines.duplex.moshi.onnx.state import FlatState
from pipelines.weights.safetensors import Reader

F32 = npt.NDArray[np.float32]

BLOCK = 8
"""Samples that the first convolution works on at once."""
LISTED = 16
"""Entries of a codebook whose distances are computed exactly."""
_EPSILON = 1e-5
_LEGACY = "in_proj_weight", "out_proj.weight"
_LATER = "in_projs.0.weight", "out_projs.0.weight"
"""Names of a layer's two matrices of attention, in checkpoints of two ages."""


@contextmanager
def _writing(path: Path) -> Iterator[Graph]:
    """The graph of that file, whose weights lie beside it under ``.data``."""
    data = path.with_suffix(".data")
    with data.open("wb") as weights:
        graph = Graph(weights, data.name)
        yield graph
    graph.save(path)


def write_encoder(
    path: Path, tensors: Reader, shape: MimiShape, codebooks: int, bits: int = 32
) -> None:
    """Writes ``pcm`` (batch, 1, 1920) → ``codes`` (batch, codebooks, 1) int64.

    Args:
        path: The graph's file; its weights lie beside it, under ``.data``.
        tensors: The checkpoint.
        shape: Its shape.
        codebooks: Number of codes of a frame.
        bits: Of the transformer's matrices, 32 or 8; with 8, layers of few steps are in two halves.

    Raises:
        WeightsError: a tensor is missing, or has another shape than the others ask for.
    """
    with _writing(path) as graph:
        width, steps = shape.filters, FRAME_SAMPLES
        pieces: dict[str, tuple[int, ...]] = {"encoder.model.0": (1, BLOCK)}
        for i, ratio in enumerate(shape.ratios):
            pieces[f"encoder.model.{1 + 3 * i}.block.1"] = _past(width, steps)
            width, steps = 2 * width, steps // ratio
            pieces[f"encoder.model.{3 + 3 * i}"] = (1, width)
        last = f"encoder.model.{2 + 3 * len(shape.ratios)}"
        pieces |= {last: (2, width), "downsample": (1, 2 * shape.dim)}
        steps = FRAME_SAMPLES
        pcm = graph.input("pcm", ["batch", 1, steps])
        build = _Build(graph, FlatState(graph, pieces), tensors, shape, bits)
        layers = build.layers
        width, name = shape.filters, "encoder.model.0"
        x = layers.conv_in(name, pcm, *build.conv(name, width, 1, 7), steps, BLOCK)
        for i, ratio in enumerate(shape.ratios):
            x = _residual(build, f"encoder.model.{1 + 3 * i}", x, width, steps)
            x = layers.elu(x, steps * width)
            width, steps = 2 * width, steps // ratio
            name = f"encoder.model.{3 + 3 * i}"
            weight, bias = build.conv(name, width, width // 2, 2 * ratio)
            x = layers.conv_down(name, x, weight, bias, steps)
        weight, bias = build.conv(last, shape.dim, width, 3)
        x = layers.conv(last, layers.elu(x, steps * width), weight, bias, steps)
        x = _transformer(build, "encoder_transformer", x)
        codes = _quantise(build, _downsample(build, x), codebooks)
        graph.output(codes, "codes", ["batch", codebooks, 1], "int64")
        build.finish()


def write_decoder(
    path: Path, tensors: Reader, shape: MimiShape, codebooks: int, bits: int = 32
) -> None:
    """Writes ``codes`` (batch, codebooks, 1) int64 → ``pcm`` (batch, 1, 1920).

    Arguments and errors are those of `write_encoder`.
    """
    with _writing(path) as graph:
        width, steps = shape.widest, STEPS
        pieces: dict[str, tuple[int, ...]] = {
            "upsample": (STEPS, shape.dim),
            "decoder.model.0": (6, shape.dim),
        }
        for i, ratio in enumerate(reversed(shape.ratios)):
            pieces[f"decoder.model.{2 + 3 * i}"] = (1, width)
            width, steps = width // 2, steps * ratio
            pieces[f"decoder.model.{3 + 3 * i}.block.1"] = _past(width, steps)
        last = f"decoder.model.{2 + 3 * len(shape.ratios)}"
        pieces[last] = (2, 3)
        codes = graph.input("codes", ["batch", codebooks, 1], "int64")
        build = _Build(graph, FlatState(graph, pieces), tensors, shape, bits)
        layers = build.layers
        x = _upsample(build, _dequantise(build, codes, codebooks))
        x = _transformer(build, "decoder_transformer", x)
        width, steps = shape.widest, STEPS
        weight, bias = build.conv("decoder.model.0", width, shape.dim, 7)
        x = layers.conv("decoder.model.0", x, weight, bias, steps)
        for i, ratio in enumerate(reversed(shape.ratios)):
            name = f"decoder.model.{2 + 3 * i}"
            weight, bias = build.conv_up(name, width, width // 2, 2 * ratio)
            x = layers.conv_up(name, layers.elu(x, steps * width), weight, bias, steps)
            width, steps = width // 2, steps * ratio
            x = _residual(build, f"decoder.model.{3 + 3 * i}", x, width, steps)
        weight, bias = build.conv(last, 1, width, 3)
        x = layers.conv_out(last, layers.elu(x, steps * width), weight, bias, steps)
        graph.output(graph.reshape(x, -1, 1, steps), "pcm", ["batch", 1, steps])
        build.finish()


class _Build:
    """What both graphs are written with."""

    def __init__(
        self, graph: Graph, state: FlatState, tensors: Reader, shape: MimiShape, bits: int
    ) -> None:
        self.graph, self.state, self.tensors, self.shape = graph, state, tensors, shape
        self.attention = RingAttention(graph, shape.ring)
        self.linear: Linear = graph.linear if bits == 32 else partial(quantised.linear, graph)
        self.few: Product = graph.linear if bits == 32 else partial(quantised.halves, graph)
        self.layers = Layers(graph, state, self.few)
        self.lists = shape.entries > 8 * LISTED and not shape.book_width % quantised.GROUP

    def conv(self, name: str, out: int, channels: int, k: int) -> tuple[F32, F32]:
        """Weight and bias of a convolution."""
        name = f"{name}.conv.conv"
        return self.tensors(f"{name}.weight", out, channels, k), self.tensors(f"{name}.bias", out)

    def conv_up(self, name: str, channels: int, out: int, k: int) -> tuple[F32, F32]:
        """The same of a transposed one."""
        name = f"{name}.convtr.convtr"
        return self.tensors(f"{name}.weight", channels, out, k), self.tensors(f"{name}.bias", out)

    def finish(self) -> None:
        """Declares the outputs that are state."""
        self.state.finish()
        self.attention.finish()


def _past(width: int, steps: int) -> tuple[int, int]:
    """What the first convolution of a residual block keeps."""
    return (1, width) if is_paired(3, steps) else (2, width)


def _residual(build: _Build, name: str, x: str, width: int, steps: int) -> str:
    layers = build.layers
    first, last = f"{name}.block.1", f"{name}.block.3"
    half = width // 2
    y = layers.elu(x, steps * width)
    y = layers.conv(first, y, *build.conv(first, half, width, 3), steps)
    y = layers.elu(y, steps * half)
    y = layers.pointwise(y, *build.conv(last, width, half, 1), steps)
    return build.graph.op("Add", x, y)


def _transformer(build: _Build, name: str, x: str) -> str:
    """(batch, 2, dim) → (batch, 2, dim). The layers' scales are part of the matrices."""
    graph, tensors, linear, dim = build.graph, build.tensors, build.linear, build.shape.dim
    x = graph.reshape(x, -1, dim)
    for i in range(build.shape.layers):
        layer = f"{name}.transformer.layers.{i}"

        scale = [tensors(f"{layer}.layer_scale_{n}.scale", dim)[:, None] for n in (1, 2)]
        hidden = tensors.header[f"{layer}.linear1.weight"].shape[0]
        y = _norm(build, x, f"{layer}.norm1")
        attention = f"{layer}.self_attn"
        stacked = f"{attention}.in_projs.0.weight" in tensors  # the package's later names
        in_name, out_name = _LATER if stacked else _LEGACY
        in_proj = tensors(f"{attention}.{in_name}", 3 * dim, dim)
        y = build.attention.attend(y, in_proj, linear)
        out_proj = tensors(f"{attention}.{out_name}", dim, dim)
        x = graph.op("Add", x, linear(y, (out_proj * scale[0]).T))
        y = _norm(build, x, f"{layer}.norm2")
        y = linear(y, tensors(f"{layer}.linear1.weight", hidden, dim).T)
        linear2 = tensors(f"{layer}.linear2.weight", dim, hidden)
        y = linear(graph.op("Gelu", y), (linear2 * scale[1]).T)
        x = graph.op("Add", x, y)
    return graph.reshape(x, -1, STEPS, dim)


def _norm(build: _Build, x: str, name: str) -> str:
    both = [build.tensors(f"{name}.{what}", build.shape.dim) for what in ("weight", "bias")]
    parts = [build.graph.weight(values) for values in both]
    return build.graph.op("LayerNormalization", x, *parts, epsilon=_EPSILON)


def _downsample(build: _Build, x: str) -> str:
    """(batch, 2, dim) → (batch, dim); before a conversation's first step lies that step itself."""
    graph, state, dim = build.graph, build.state, build.shape.dim
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


def _upsample(build: _Build, x: str) -> str:
    """(batch, dim) → (batch, 2, dim): each channel by itself; half overlaps the next frame."""
    graph, state, dim = build.graph, build.state, build.shape.dim
    weight = build.tensors("upsample.convtr.convtr.convtr.weight", dim, 1, 2 * STEPS)
    x = graph.reshape(x, -1, 1, dim)
    now, later = (weight[:, 0, part].T[None] for part in (slice(0, STEPS), slice(STEPS, None)))
    y = graph.op("Add", graph.op("Mul", x, graph.weight(now)), state.read("upsample"))
    state.write("upsample", graph.op("Mul", x, graph.weight(later)))
    return y


def _rooms(codebooks: int) -> list[tuple[str, int]]:
    """The two quantisers, and how many of the codebooks are theirs."""
    return [("quantizer.rvq_first", 1), ("quantizer.rvq_rest", codebooks - 1)]


def _codebook(build: _Build, room: str, index: int) -> F32:
    """(entries, width)"""
    tensors, shape = build.tensors, build.shape
    name = f"{room}.vq.layers.{index}._codebook"
    usage = np.maximum(tensors(f"{name}.cluster_usage", shape.entries), np.float32(_EPSILON))
    total = tensors(f"{name}.embedding_sum", shape.entries, shape.book_width)
    return np.asarray(total / usage[:, None], np.float32)


def _quantise(build: _Build, x: str, codebooks: int) -> str:
    """(batch, dim) → (batch, codebooks, 1): the nearest entry, then that of what is left, …"""
    graph, shape = build.graph, build.shape
    codes = []
    for room, count in _rooms(codebooks):
        down = build.tensors(f"{room}.input_proj.weight", shape.book_width, shape.dim, 1)
        left = graph.linear(x, down[:, :, 0].T)
        for i in range(count):
            code, entry = _nearest(build, left, _codebook(build, room, i))
            codes.append(graph.reshape(code, -1, 1, 1))
            if i + 1 < count:
                left = graph.op("Sub", left, entry)
    return graph.concat(1, *codes)


def _nearest(build: _Build, x: str, book: F32) -> tuple[str, str]:
    """(batch, width) → the nearest entry's code (batch, 1), and the entry (batch, width).

    A large book is read in 8 bits for a short list, and exactly for those on it alone: what 8 bits
    err by is a hundredth of what lies between the best and the last of the list.
    """
    graph = build.graph
    half = ((book.astype(np.float64) ** 2).sum(axis=1) / 2).astype(np.float32)
    entries = graph.weight(book)
    if not build.lists:
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


def _dequantise(build: _Build, codes: str, codebooks: int) -> str:
    """(batch, codebooks, 1) → (batch, dim)"""
    graph, shape = build.graph, build.shape
    each = iter(graph.split(codes, 1, [1] * codebooks))
    total = ""
    for room, count in _rooms(codebooks):
        entries = ""
        for i in range(count):
            code = graph.reshape(next(each), -1)
            entry = graph.op("Gather", graph.weight(_codebook(build, room, i)), code)
            entries = graph.op("Add", entries, entry) if entries else entry
        up = build.tensors(f"{room}.output_proj.weight", shape.dim, shape.book_width, 1)
        y = graph.linear(entries, up[:, :, 0].T)
        total = graph.op("Add", total, y) if total else y
    return total
