"""How an exported graph keeps its weights: in eight bits or sixteen, widened when it is loaded.

Nothing is rounded here: `rounded` and `eight_bits` have done that in torch, so that the graph's
numbers are the model's own. ONNX Runtime folds the widening nodes once, and computes in float32.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
FEW = 16
"""Tensors of fewer numbers are left as they are."""
STEPS = 127
NEAR = 1e-6
"""Relative: a product of a whole number and a scale is rounded once in float32."""


@torch.no_grad()
def rounded(module: M) -> M:
    """A module in evaluation, each weight the nearest half-precision number; changed in place."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.copy_(tensor.half().float())
    return module.eval()


@torch.no_grad()
def eight_bits(weight: Tensor) -> None:
    """A matrix (out, in) whose rows are whole multiples, −127 to 127, of a scale; in place."""
    scale = (weight.abs().amax(1, keepdim=True) / STEPS).clamp(min=1e-12)
    weight.copy_((weight / scale).round() * scale)


def shrink(model: Any) -> None:
    """Stores the float tensors of an ONNX model as small as holds them exactly."""
    from onnx import TensorProto, helper, numpy_helper

    widen = []
    fresh = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < FEW:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        small, scale = _small(values)
        if small is None:
            continue
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_small"))
        if scale is None:
            widen.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
            continue
        wide = f"{name}_wide"
        fresh.append(numpy_helper.from_array(scale, f"{name}_scale"))
        widen.append(helper.make_node("Cast", [tensor.name], [wide], to=TensorProto.FLOAT))
        widen.append(helper.make_node("Mul", [wide, f"{name}_scale"], [name]))
    model.graph.initializer.extend(fresh)
    nodes = [*widen, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _small(values: Any) -> tuple[Any, Any]:
    """What holds the values exactly: int8 and scales, or float16 and None, or None and None."""
    half = values.astype(np.float16)
    if np.array_equal(half.astype(np.float32), values):
        return half, None
    if values.ndim == 2:
        for axis in (0, 1):
            scale = np.maximum(np.abs(values).max(axis, keepdims=True) / STEPS, 1e-12)
            whole = np.rint(values / scale)
            if np.allclose(whole * scale, values, rtol=NEAR, atol=0):
                return whole.astype(np.int8), scale.astype(np.float32)
    return None, None
