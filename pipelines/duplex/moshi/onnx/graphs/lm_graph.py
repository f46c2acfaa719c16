"""The two graphs of a language model of Moshi's shape.

``temporal``: one step of the big transformer → the text's best tokens, and what the depth
transformer is told. ``depth``: the text token that is said → one code a codebook, each sampled from
the best ones, told to the next. They are two because a text that is to be said replaces the token
between them, and so each has a time of its own.

Sampling is ``argmax(logits / temperature + noise)`` over the best tokens, with noise that is given:
Gumbel noise makes it a draw, zeros make it greedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipelines.duplex.moshi.onnx.graphs import quantised
from pipelines.duplex.moshi.onnx.graphs.graph import END, Graph
from pipelines.duplex.moshi.onnx.graphs.lm_checkpoint import LmCheckpoint
from pipelines.duplex.moshi.onnx.graphs.quantised import Quantised

TOP_K_TEXT = 25
TOP_K_AUDIO = 250
"""Number of tokens that sampling chooses among, as in Kyutai's own scripts."""
_EPSILON = 1e-8
_MS = "com.microsoft"
_INT64 = 7
"""``onnx.TensorProto``'s number of the type."""


@contextmanager
def _writing(path: Path) -> Iterator[Graph]:
    data = path.with_suffix(".data")
    with data.open("wb") as weights:
        graph = Graph(weights, data.name)
        yield graph
    graph.save(path)


def write_temporal(path: Path, weights: LmCheckpoint) -> None:
    """Writes the step of the temporal transformer.

    Inputs: ``tokens`` (1 + codebooks,) int64, the text's first; ``condition`` (1, dim), added to
    their sum; ``position`` (1,) int32, steps so far; ``length`` (1,) int32, one more;
    ``text_noise`` (25,); ``text_scale`` (1,), one over the temperature; of each layer ``keys_i``
    and ``values_i`` (1, heads, context, width), which its outputs ``next_keys_i`` and
    ``next_values_i`` share: in f32 with weights in f32, else in int8 with ``keys_scales_i`` and
    ``values_scales_i`` (heads, 1, width). Outputs: ``text`` (1,) int64, ``hidden`` (1, dim), and,
    of int8, ``fresh`` (layers, 2, heads, 1, width), the step's keys and values before they are
    rounded.
    """
    shape = weights.shape
    dim, heads, width = shape.dim, shape.heads, shape.dim // shape.heads
    with _writing(path) as graph:
        tokens = graph.input("tokens", [1 + shape.codebooks], "int64")
        condition = graph.input("condition", [1, dim])
        position = graph.input("position", [1], "int32")
        length = graph.input("length", [1], "int32")
        tables = [weights.table("text_emb", shape.text_card + 1, dim)]
        tables += [
            weights.table(f"audio_embs.{i}", shape.card + 1, dim) for i in range(shape.codebooks)
        ]
        begins = np.cumsum([0, *(len(table) for table in tables[:-1])])
        rows = graph.op("Add", tokens, graph.constant(begins))
        found = graph.op("Gather", graph.weight(np.concatenate(tables)), rows)
        x = graph.op("ReduceSum", found, graph.constant([0]), keepdims=1)
        x = graph.op("Add", x, condition)
        angles = np.arange(shape.context)[:, None] * (
            shape.max_period ** (-np.arange(width // 2) / (width // 2))
        )
        turns = [graph.weight(f(angles).astype(np.float32)) for f in (np.cos, np.sin)]
        at = graph.op("Cast", position, to=_INT64)
        window = shape.window if shape.window < shape.context else -1
        block = _Block(graph, weights)
        more, fresh = "", []
        for i in range(shape.layers):
            name = f"transformer.layers.{i}"
            y, x = block.norm(x, more, f"{name}.norm1", dim)
            y = block.product(y, f"{name}.self_attn.in_proj", 3 * dim, dim)
            turned, value = graph.split(graph.reshape(y, 1, 1, 3 * dim), 2, [2 * dim, dim])
            turned = graph.op("RotaryEmbedding", turned, at, *turns, domain=_MS, interleaved=1)
            y = graph.concat(2, turned, value)
            if not weights.is_exact:
                new = graph.slice(y, 2, dim, END)
                fresh.append(graph.reshape(new, 1, 2, heads, 1, width))
            y = _attention(graph, i, y, position, length, [1, heads, shape.context, width],
                           is_exact=weights.is_exact, local_window_size=window)  # fmt: skip
            more = block.product(graph.reshape(y, 1, dim), f"{name}.self_attn.out_proj", dim, dim)
            y, x = block.norm(x, more, f"{name}.norm2", dim)
            more = block.gated(y, f"{name}.gating", dim)
        hidden, _ = block.norm(x, more, "out_norm", dim)
        logits = block.product(hidden, "text_linear", shape.text_card, dim)
        noise = graph.input("text_noise", [min(TOP_K_TEXT, shape.text_card)])
        scale = graph.input("text_scale", [1])
        text = _sampled(graph, logits, noise, scale, min(TOP_K_TEXT, shape.text_card))
        graph.output(text, "text", [1], "int64")
        graph.output(hidden, "hidden", [1, dim])
        if fresh:
            size = [shape.layers, 2, heads, 1, width]
            graph.output(graph.concat(0, *fresh), "fresh", size)


def _attention(
    graph: Graph,
    layer: int,
    x: str,
    position: str,
    length: str,
    size: list[int | str],
    *,
    is_exact: bool,
    local_window_size: int,
) -> str:
    """Attention of queries, keys and values (1, 1, 3 · dim) over the past, which grows by them."""
    _, heads, _, width = size
    kept = "float32" if is_exact else "int8"
    both = ("keys", "values")
    rings = [graph.input(f"{what}_{layer}", size, kept) for what in both]
    shared = [f"next_{what}_{layer}" for what in both]
    inputs, rounded = [x, "", "", *rings, position, length], {}
    if not is_exact:
        scales = [graph.input(f"{what}_scales_{layer}", [heads, 1, width]) for what in both]
        inputs += [""] * 5 + scales
        each = "PER_CHANNEL"
        rounded = {"k_quant_type": each, "v_quant_type": each, "kv_cache_bit_width": 8}
    y, *_ = graph.ops(
        "GroupQueryAttention", [f"seen_{layer}", *shared], *inputs, domain=_MS, num_heads=heads,
        kv_num_heads=heads, local_window_size=local_window_size, **rounded,
    )  # fmt: skip
    for output in shared:
        graph.declare(output, size, kept)
    return y


def write_depth(path: Path, weights: LmCheckpoint) -> None:
    """Writes the depth transformer's loop over the codebooks.

    Inputs: ``text`` (1,) int64; ``hidden`` (1, dim); ``noise`` (own codebooks, 250); ``scale``
    (1,), one over the temperature. Output: ``codes`` (own codebooks,) int64.
    """
    shape = weights.shape
    dim, heads = shape.depth_dim, shape.depth_heads
    width, most = dim // heads, min(TOP_K_AUDIO, shape.card)
    with _writing(path) as graph:
        token = graph.input("text", [1], "int64")
        hidden = graph.input("hidden", [1, shape.dim])
        noise = graph.split(graph.input("noise", [shape.own, most]), 0, [1] * shape.own)
        scale = graph.input("scale", [1])
        block = _Block(graph, weights)
        keys: list[str] = [""] * shape.depth_layers
        values: list[str] = [""] * shape.depth_layers
        codes = []
        for book, index in enumerate(shape.slices):
            name = f"depformer.slices.{index}"
            # The table of embeddings belongs to the codebook, whatever weights it shares.
            card = shape.text_card if book == 0 else shape.card
            table = weights.table(f"depformer.slices.{book}.emb", card + 1, dim)
            more = graph.op("Gather", graph.weight(table), token)
            x = block.product(hidden, f"{name}.linear_in", dim, shape.dim)
            for i in range(shape.depth_layers):
                layer = f"{name}.transformer.layers.{i}"
                y, x = block.norm(x, more, f"{layer}.norm1", dim)
                in_proj = f"{layer}.self_attn.in_proj"
                y = block.product(y, in_proj, 3 * dim, dim, scaled=(dim, width**-0.5))
                query, key, value = graph.split(graph.reshape(y, 3 * heads, 1, width), 0,
                                                [heads] * 3)  # fmt: skip
                keys[i] = graph.concat(1, keys[i], key) if keys[i] else key
                values[i] = graph.concat(1, values[i], value) if values[i] else value
                if book:
                    scores = graph.op("FusedMatMul", query, keys[i], domain=_MS, transB=1)
                    value = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), values[i])
                y = graph.reshape(value, 1, dim)
                more = block.product(y, f"{layer}.self_attn.out_proj", dim, dim)
                y, x = block.norm(x, more, f"{layer}.norm2", dim)
                more = block.gated(y, f"{layer}.gating", dim)
            logits = block.product(
                graph.op("Add", x, more), f"depformer.slices.{book}.linear_out", shape.card, dim
            )
            token = _sampled(graph, logits, noise[book], scale, most)
            codes.append(token)
        graph.output(graph.concat(0, *codes), "codes", [shape.own], "int64")


class _Block:
    """Pieces that both transformers are made of; signals are (1, width)."""

    def __init__(self, graph: Graph, weights: LmCheckpoint) -> None:
        self._graph, self._weights = graph, weights

    def norm(self, x: str, more: str, name: str, width: int) -> tuple[str, str]:
        """The normalised sum of ``x`` and ``more`` (if any), and that sum."""
        graph = self._graph
        scale = graph.weight(self._weights.norm(name, width))
        if not more:
            return graph.op("SimplifiedLayerNormalization", x, scale, epsilon=_EPSILON), x
        y, _, _, total = graph.ops(
            "SkipSimplifiedLayerNormalization", 4, x, more, scale, domain=_MS, epsilon=_EPSILON
        )
        return y, total

    def product(
        self, x: str, name: str, out: int, width: int, scaled: tuple[int, float] = (0, 1.0)
    ) -> str:
        """``x`` times the matrix of that name, whose first so many rows are scaled by so much."""
        matrix = self._weights.matrix(name, out, width)
        rows, scale = scaled
        (matrix.scales if isinstance(matrix, Quantised) else matrix)[:rows] *= np.float32(scale)
        if isinstance(matrix, Quantised):
            return quantised.product(self._graph, x, matrix)
        return self._graph.linear(x, matrix.T)

    def gated(self, x: str, name: str, width: int) -> str:
        """The gated MLP."""
        graph = self._graph
        hidden = self._weights.hidden(f"{name}.linear_in")
        y = self.product(x, f"{name}.linear_in", 2 * hidden, width)
        gate, value = graph.split(y, 1, [hidden, hidden])
        y = graph.op("Mul", graph.op("QuickGelu", gate, domain=_MS, alpha=1.0), value)
        return self.product(y, f"{name}.linear_out", width, hidden)


def _sampled(graph: Graph, logits: str, noise: str, scale: str, most: int) -> str:
    """(1, card) → the token (1,): the best of the ``most`` best, with noise."""
    values, tokens = graph.ops("TopK", 2, logits, graph.constant([most]), axis=1)
    drawn = graph.op("Add", graph.op("Mul", values, scale), noise)
    chosen = graph.op("ArgMax", drawn, axis=1, keepdims=1)
    return graph.reshape(graph.op("GatherElements", tokens, chosen, axis=1), 1)
