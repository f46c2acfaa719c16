"""How weights are kept on disk: the numbers that come back are those that went in."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training.nano_duplex.store import eight_bits, rounded, shrink  # noqa: E402


def graph(**tensors: np.ndarray):
    kept = [onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()]
    outs = [
        onnx.helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, value.shape)
        for name, value in tensors.items()
    ]
    nodes = [onnx.helper.make_node("Identity", [name], [f"{name}_out"]) for name in tensors]
    made = onnx.helper.make_graph(nodes, "g", [], outs, kept)
    return onnx.helper.make_model(
        made, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 18)]
    )


def test_weights_come_back_from_eight_bits_from_sixteen_and_from_neither():
    torch.manual_seed(0)
    rows, halves = torch.randn(40, 30), rounded(torch.nn.Linear(20, 20)).weight.detach()
    eight_bits(rows)
    tensors = {
        "rows": rows.numpy(),
        "columns": np.ascontiguousarray(rows.numpy().T),
        "halves": halves.numpy(),
        "exact": np.random.default_rng(0).standard_normal((20, 20)).astype(np.float32),
    }
    model = graph(**tensors)
    shrink(model)
    kinds = {t.name: t.data_type for t in model.graph.initializer}
    assert kinds["rows_small"] == kinds["columns_small"] == onnx.TensorProto.INT8
    assert kinds["halves_small"] == onnx.TensorProto.FLOAT16
    assert kinds["exact"] == onnx.TensorProto.FLOAT
    session = pytest.importorskip("onnxruntime").InferenceSession(model.SerializeToString())
    for (name, value), found in zip(tensors.items(), session.run(None, {}), strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-6, err_msg=name)


def test_eight_bits_change_a_weight_by_at_most_half_a_step_of_its_row():
    torch.manual_seed(0)
    weight = torch.randn(9, 50)
    was = weight.clone()
    eight_bits(weight)
    step = was.abs().amax(1, keepdim=True) / 127
    assert ((weight - was).abs() <= step * 0.5001).all()
    assert torch.equal(weight.abs().argmax(1), was.abs().argmax(1))
