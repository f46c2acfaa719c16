"""An ONNX graph, written node by node, whose weights go straight into the file beside it.

Needs the package onnx. No more than one weight is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Linear = Callable[[str, npt.NDArray[np.float32]], str]
"""(rows, in), matrix (in, out) → (rows, out), in the precision that the model is written in."""
END = 1 << 30
"""End of any axis, of a slice."""
OPSET = 20
IR_VERSION = 9
_INLINE_BYTES = 1024
"""Weights up to this size lie in the graph itself, where the optimiser may compute with them."""
_ALIGN = 4096
"""Boundary of a weight in the file, so that it can be mapped."""


class Graph:
    """Nodes and weights under construction; names of values are texts."""

    def __init__(self, weights: BinaryIO, weights_name: str) -> None:
        """Starts an empty graph.

        Args:
            weights: Takes the large weights.
            weights_name: That file's name, relative to the graph's.
        """
        self._weights, self._weights_name = weights, weights_name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def input(self, name: str, shape: Sequence[int | str], dtype: str = "float32") -> str:
        """Declares an input; a text in ``shape`` is a free dimension."""
        self._inputs.append(_declared(name, shape, dtype))
        return name

    def output(
        self, value: str, name: str, shape: Sequence[int | str], dtype: str = "float32"
    ) -> None:
        """Declares a value to be the output ``name``."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self.declare(name, shape, dtype)

    def declare(self, name: str, shape: Sequence[int | str], dtype: str = "float32") -> None:
        """Declares a value to be an output under its own name."""
        self._outputs.append(_declared(name, shape, dtype))

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One node with one output."""
        return self.ops(kind, 1, *inputs, domain=domain, **attributes)[0]

    def ops(
        self, kind: str, outputs: int | list[str], *inputs: str, domain: str = "", **attributes: Any
    ) -> list[str]:
        """One node with several outputs: so many, or under these names."""
        from onnx import helper

        names = outputs
        if isinstance(names, int):
            names = [f"{kind}_{len(self._nodes)}_{i}" for i in range(names)]
        node = helper.make_node(kind, list(inputs), names, domain=domain, **attributes)
        self._nodes.append(node)
        return names

    def weight(self, values: Array) -> str:
        """A constant; a large one is written to the file at once."""
        from onnx import TensorProto, helper, numpy_helper

        name = f"w_{len(self._constants)}"
        values = np.ascontiguousarray(values)
        if values.nbytes <= _INLINE_BYTES:
            self._constants.append(numpy_helper.from_array(values, name))
            return name
        tensor = TensorProto(name=name, dims=values.shape, data_location=TensorProto.EXTERNAL)
        tensor.data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
        self._weights.write(b"\0" * (-self._weights.tell() % _ALIGN))
        place = {"offset": self._weights.tell(), "length": values.nbytes}
        for key, value in {"location": self._weights_name, **place}.items():
            tensor.external_data.add(key=key, value=str(value))
        self._weights.write(values.data)
        self._constants.append(tensor)
        return name

    def constant(self, values: Any, dtype: str = "int64") -> str:
        """A small constant; equal ones are one."""
        array = np.asarray(values, dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = self.weight(array)
        return self._known[key]

    def reshape(self, x: str, *shape: int) -> str:
        """``x`` in another shape; 0 keeps a dimension, -1 is the rest."""
        return self.op("Reshape", x, self.constant(shape))

    def slice(self, x: str, axis: int, begin: int, end: int) -> str:
        """A range of an axis; a negative place counts from the end."""
        spans = [self.constant([n]) for n in (begin, end, axis)]
        return self.op("Slice", x, *spans)

    def concat(self, axis: int, *parts: str) -> str:
        """Parts side by side."""
        return self.op("Concat", *parts, axis=axis)

    def split(self, x: str, axis: int, sizes: Sequence[int]) -> list[str]:
        """``x`` in pieces of these sizes."""
        return self.ops("Split", len(sizes), x, self.constant(list(sizes)), axis=axis)

    def linear(self, x: str, matrix: Array, bias: Array | None = None) -> str:
        """(rows, in) times ``matrix`` (in, out), plus ``bias`` (out,)."""
        if bias is None:
            return self.op("MatMul", x, self.weight(np.asarray(matrix, np.float32)))
        weights = (np.asarray(matrix, np.float32), np.asarray(bias, np.float32))
        return self.op("Gemm", x, *(self.weight(w) for w in weights))

    def save(self, path: Path) -> None:
        """Checks the graph and writes it; the weights are in their own file already."""
        import onnx
        from onnx import helper

        graph = helper.make_graph(
            self._nodes, path.stem, self._inputs, self._outputs, self._constants
        )
        domains = {node.domain for node in self._nodes} | {""}
        sets = [helper.make_opsetid(name, OPSET if not name else 1) for name in sorted(domains)]
        model = helper.make_model(graph, opset_imports=sets, ir_version=IR_VERSION)
        path.write_bytes(onnx.ModelProto.SerializeToString(model))


def _declared(name: str, shape: Sequence[int | str], dtype: str) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, list(shape))
