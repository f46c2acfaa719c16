"""The language model as one ONNX graph per frame, with its state as explicit inputs and outputs.

Keys and values lie in a ring that the caller keeps: a frame's cost never grows. The books are
unrolled, and each token is ``argmax(logits + noise)``, where the caller's noise is Gumbel noise
times the temperature: sampling under the caller's seed, without a random operator.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from training.nano_duplex.lm import Block, Lm, rotate
from training.nano_duplex.store import eight_bits, shrink
from training.nano_duplex.store import rounded as halved

OPSET = 20


class Step(nn.Module):
    """One frame of `Lm`. Shapes are those of one session: there is no batch."""

    def __init__(self, lm: Lm) -> None:
        super().__init__()
        self.lm = lm

    def forward(
        self,
        vector: Tensor,  # (vector,)
        text: Tensor,  # () int64: of the frame before
        codes: Tensor,  # (books,) int64: of the frame before
        forced: Tensor,  # () int64: the text token to take; -1: the model's own
        cos: Tensor,  # (width / 2,) of this frame's position
        sin: Tensor,
        bias: Tensor,  # (window - 1,) 0 where the ring holds a frame, else very negative
        text_noise: Tensor,  # (words,)
        code_noise: Tensor,  # (books, codes)
        *ring: Tensor,  # keys of each layer, then values: (heads, window - 1, width)
    ) -> tuple[Tensor, ...]:
        """The frame's text token and codes, what is new for the ring, and the logits."""
        lm, s = self.lm, self.lm.sizes
        x = lm.embed(vector[None], text[None], codes[None])  # (1, dim)
        fresh = []
        for index, layer in enumerate(lm.layers):
            keys, values = ring[index], ring[s.layers + index]
            x, k, v = _attend(layer, x, keys, values, bias, cos, sin)
            fresh += [k, v]
        z = lm.norm(x)
        text_logits = lm.text_out(z)[0]
        own = torch.argmax(text_logits + text_noise)
        said = torch.where(forced >= 0, forced, own)
        out, code_logits = self._books(z, said, code_noise)
        return said, out, torch.stack(fresh), text_logits, code_logits

    def _books(self, z: Tensor, text: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The depth transformer, one book after the other."""
        lm, s = self.lm, self.lm.sizes
        base = lm.depth_z(z)
        before = lm.depth_text(text[None])
        past: list[tuple[list[Tensor], list[Tensor]]] = [([], []) for _ in lm.depth]
        codes, logits = [], []
        for book in range(s.books):
            x = base + before + lm.depth_book[book]
            for layer, (keys, values) in zip(lm.depth, past, strict=True):
                q, k, v = (part[0] for part in layer.project(x))  # (heads, width)
                keys.append(k)
                values.append(v)
                x = layer.finish(x, _attend_few(q, keys, values)[None])
            scores = (lm.depth_norm(x) @ lm.codes_out[book])[0]
            code = torch.argmax(scores + noise[book])
            codes.append(code)
            logits.append(scores)
            if book + 1 < s.books:
                before = lm.depth_codes((code + book * s.codes)[None])
        return torch.stack(codes), torch.stack(logits)


def _attend(
    layer: Block,
    x: Tensor,
    keys: Tensor,
    values: Tensor,
    bias: Tensor,
    cos: Tensor,
    sin: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer on one frame against the ring and itself; neither is copied."""
    q, k, v = (part[0] for part in layer.project(x))  # (heads, width)
    q, k = rotate(q, cos, sin) * layer.width**-0.5, rotate(k, cos, sin)
    old = (keys @ q[:, :, None])[:, :, 0] + bias
    own = (k * q).sum(-1, keepdim=True)
    weights = torch.softmax(torch.cat((old, own), -1), -1)
    count = keys.shape[1]
    attended = (weights[:, None, :count] @ values)[:, 0] + weights[:, count:] * v
    return layer.finish(x, attended[None]), k, v


def _attend_few(q: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Attention over a short list of positions: (heads, width)."""
    if len(keys) == 1:
        return values[0]
    scores = torch.stack(keys, 1) @ (q * q.shape[-1] ** -0.5)[:, :, None]
    weights = torch.softmax(scores, 1)
    return (weights * torch.stack(values, 1)).sum(1)


@torch.no_grad()
def rounded(lm: Lm) -> Lm:
    """The model with each weight as the graph can store it; changed in place.

    The temporal transformer's matrices, two thirds of all weights, in eight bits.
    """
    halved(lm)
    for layer in lm.layers:
        for matrix in (layer.qkv, layer.out, layer.up, layer.down):
            eight_bits(matrix.weight)
    return lm


def names(layers: int) -> tuple[list[str], list[str]]:
    """Of the graph's inputs and outputs."""
    ring = [f"keys_{i}" for i in range(layers)] + [f"values_{i}" for i in range(layers)]
    state = ["vector", "text", "codes", "forced", "cos", "sin", "bias"]
    noise = ["text_noise", "code_noise"]
    return [*state, *noise, *ring], ["said", "out", "fresh", "text_logits", "code_logits"]


def export(lm: Lm, path: Path) -> None:
    """Writes the graph of a `rounded` model."""
    import onnx

    s = lm.sizes
    width = s.dim // s.heads
    inputs = (  # each a tensor of its own: the exporter takes one that comes twice for one input
        torch.zeros(s.vector),
        torch.zeros((), dtype=torch.long),
        torch.zeros(s.books, dtype=torch.long),
        torch.zeros((), dtype=torch.long),
        torch.zeros(width // 2),
        torch.zeros(width // 2),
        torch.zeros(s.window - 1),
        torch.zeros(s.words),
        torch.zeros(s.books, s.codes),
        *(torch.zeros(s.heads, s.window - 1, width) for _ in range(2 * s.layers)),
    )
    given, wanted = names(s.layers)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        draft = Path(folder) / "step.onnx"
        torch.onnx.export(
            Step(lm).eval(),
            inputs,
            str(draft),
            input_names=given,
            output_names=wanted,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(draft))
    _strip(model)
    shrink(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


def _strip(model: object) -> None:
    """Lets go of what the exporter noted about its sources: paths of one machine, and bulk."""
    graph = model.graph  # type: ignore[attr-defined]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        if hasattr(part, "doc_string"):
            part.doc_string = ""
    del graph.value_info[:]
