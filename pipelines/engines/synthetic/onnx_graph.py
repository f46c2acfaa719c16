"""ONNX networks with random weights, written node by node: the common part of the makers.

Needs the package onnx, of the engine environments that have makers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Graph:
    """Nodes and weights of a network under construction."""

    def __init__(self, seed: int) -> None:
        import numpy as np

        self._rng = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._names = 0

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """One node; returns its output's name."""
        from onnx import helper

        output = name or self._name(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any, dtype: str = "float32") -> str:
        """A weight with these values."""
        import numpy as np
        from onnx import numpy_helper

        name = f"w_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def random(self, *shape: int, fan_in: int = 0) -> str:
        """A weight with random values that keep a signal's size."""
        scale = 1 / math.sqrt(fan_in or math.prod(shape[1:]) or 1)
        return self.constant(self._rng.standard_normal(shape) * scale)

    def conv(self, x: str, channels: int, to: int, kernel: int = 1, dilation: int = 1) -> str:
        """A convolution in time that keeps the length."""
        pad = (kernel - 1) * dilation // 2
        return self.add(
            "Conv", x, self.random(to, channels, kernel), dilations=[dilation], pads=[pad, pad]
        )

    def split(self, x: str, sizes: str, axis: int) -> tuple[str, str]:
        """Splits it into two parts."""
        from onnx import helper

        parts = self._name("first"), self._name("second")
        self.nodes.append(helper.make_node("Split", [x, sizes], list(parts), axis=axis))
        return parts

    def upsample(self, x: str, factor: int) -> str:
        """Repeats each of (1, n, T) that often."""
        scales = self.constant([1.0, 1.0, float(factor)])
        return self.add("Resize", x, "", scales, mode="nearest", nearest_mode="floor",
                        coordinate_transformation_mode="asymmetric")  # fmt: skip

    def repeat(self, x: str, lengths: str, channels: int) -> str:
        """Repeats each of (1, channels, T) up to the longest of ``lengths`` (1, T)."""
        frames = self.add("ReduceMax", lengths, keepdims=0)
        frames = self.add("Reshape", frames, self.constant([1], "int64"))
        shape = self.add("Concat", self.constant([1, channels, 1], "int64"), frames, axis=0)
        x = self.add("Expand", self.add("Unsqueeze", x, self.constant([3], "int64")), shape)
        return self.add("Reshape", x, self.constant([1, channels, -1], "int64"))

    def linear(self, x: str, width: int, to: int) -> str:
        """A matrix on the last axis."""
        return self.add("MatMul", x, self.random(width, to, fan_in=width))

    def norm(self, x: str, width: int) -> str:
        """Layer normalisation of the last axis."""
        return self.add("LayerNormalization", x, self.constant([1.0] * width))

    def heads(self, x: str, heads: int, width: int) -> str:
        """(1, T, heads x width) → (1, heads, T, width)."""
        x = self.add("Reshape", x, self.constant([1, -1, heads, width], "int64"))
        return self.add("Transpose", x, perm=[0, 2, 1, 3])

    def attend(self, q: str, k: str, v: str, width: int, mask: str = "") -> str:
        """Attention of heads (1, heads, T, width) → (1, T, heads x width)."""
        keys = self.add("Transpose", k, perm=[0, 1, 3, 2])
        scores = self.add("Mul", self.add("MatMul", q, keys), self.constant(width**-0.5))
        if mask:
            scores = self.add("Add", scores, mask)
        seen = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        seen = self.add("Transpose", seen, perm=[0, 2, 1, 3])
        return self.add("Reshape", seen, self.constant([0, 0, -1], "int64"))

    def lstm(self, x: str, width: int, hidden: int) -> str:
        """Both directions: (T, 1, width) → (T, 1, 2 hidden)."""
        w = self.random(2, 4 * hidden, width, fan_in=width)
        r = self.random(2, 4 * hidden, hidden, fan_in=hidden)
        y = self.add("LSTM", x, w, r, hidden_size=hidden, direction="bidirectional")
        y = self.add("Transpose", y, perm=[0, 2, 1, 3])
        return self.add("Reshape", y, self.constant([0, 0, -1], "int64"))

    def branch(self, name: str, write: Callable[[], tuple[str, ...]]) -> Any:
        """The nodes that ``write`` adds become a graph of its own, which sees everything around
        it.
        """
        from onnx import TensorProto, helper

        around, self.nodes = self.nodes, []
        try:
            outputs = write()
        finally:
            inside, self.nodes = self.nodes, around
        told = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        return helper.make_graph(inside, name, [], told)

    def choose(self, condition: str, yes: Any, no: Any, names: tuple[str, ...]) -> None:
        """One of two branches, under these names."""
        from onnx import helper

        self.nodes.append(
            helper.make_node("If", [condition], list(names), then_branch=yes, else_branch=no)
        )

    def _name(self, what: str) -> str:
        self._names += 1
        return f"{what}_{self._names}"

    def save(self, path: Path, inputs: list[Any], outputs: list[Any], opset: int = 17) -> None:
        """Checks the network and writes it."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(self.nodes, "synthetic", inputs, outputs, self.weights)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9
        )
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
