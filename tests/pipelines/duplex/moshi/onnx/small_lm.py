"""A language model of Moshi's shape, very small, and the same computed by numpy, greedily."""

from __future__ import annotations

import json

import numpy as np

from pipelines.weights import safetensors
from pipelines.weights.safetensors import Tensor

DIM, HEADS, LAYERS, DEPTH, DEPTH_HEADS, DEPTH_LAYERS = 64, 2, 2, 32, 2, 2
TEXTS, CARD, CONTEXT = 400, 32, 24
DELAYS = [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1]
CONFIG = {
    "dim": DIM, "num_heads": HEADS, "num_layers": LAYERS, "text_card": TEXTS, "card": CARD,
    "n_q": 16, "dep_q": 8, "delays": DELAYS, "context": CONTEXT, "depformer_dim": DEPTH,
    "depformer_num_heads": DEPTH_HEADS, "depformer_num_layers": DEPTH_LAYERS, "gating": "silu",
    "norm": "rms_norm_f32", "positional_embedding": "rope", "depformer_pos_emb": "none",
    "depformer_multi_linear": True, "depformer_weights_per_step": True, "layer_scale": None,
}  # fmt: skip
HIDDEN, DEPTH_HIDDEN = 96, 64


def tensors(seed=0):
    """Name → values, under the names of torch's checkpoint."""
    rng = np.random.default_rng(seed)
    made = {}

    def add(name, *shape, mean=0.0, size=1.0):
        values = rng.standard_normal(shape) * size * (1.0 if "emb" in name else shape[-1] ** -0.5)
        made[name] = (values + mean).astype(np.float32)

    def block(name, width, hidden, copies=1, gates=("",)):
        for norm in ("norm1", "norm2"):
            add(f"{name}.{norm}.alpha", 1, 1, width, mean=1.0)
        add(f"{name}.self_attn.in_proj_weight", copies * 3 * width, width)
        add(f"{name}.self_attn.out_proj.weight", copies * width, width)
        for gate in gates:
            add(f"{name}.gating{gate}.linear_in.weight", 2 * hidden, width)
            add(f"{name}.gating{gate}.linear_out.weight", width, hidden)

    add("text_emb.weight", TEXTS + 1, DIM)
    for i in range(16):
        add(f"emb.{i}.weight", CARD + 1, DIM)
    for i in range(LAYERS):
        block(f"transformer.layers.{i}", DIM, HIDDEN)
    add("out_norm.alpha", 1, 1, DIM, mean=1.0)
    add("text_linear.weight", TEXTS, DIM, size=3.0)
    add("depformer_text_emb.weight", TEXTS + 1, DEPTH)
    for i in range(7):
        add(f"depformer_emb.{i}.weight", CARD + 1, DEPTH)
    for i in range(DEPTH_LAYERS):
        gates = [f".{k}" for k in range(8)]
        block(f"depformer.layers.{i}", DEPTH, DEPTH_HIDDEN, 8, gates)
    for i in range(8):
        add(f"depformer_in.{i}.weight", DEPTH, DIM)
        add(f"linears.{i}.weight", CARD, DEPTH, size=3.0)
    return made


def write(folder, made, name="model.safetensors"):
    """Writes the checkpoint and its config.json; returns both paths."""
    layout = {key: Tensor("F32", values.shape) for key, values in made.items()}
    safetensors.write(folder / name, layout, iter(made.items()))
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    return folder / name, config


class Greedy:
    """One conversation, step by step, as the package moshi defines it."""

    def __init__(self, t, delays=tuple(DELAYS), own=8):
        self.t, self.delays, self.own = t, delays, own
        self.seen: list = [([], []) for _ in range(LAYERS)]
        self.said = []  # (9,) of each step
        self.heard = []  # (8,) of each step

    def step(self, heard, forced=None, condition=0.0):
        """(8,) codes → (9,): the text of the step before, and the frame that is whole now."""
        n = len(self.said)
        self.heard.append(np.asarray(heard))
        streams = len(self.delays)
        tokens = np.full(streams, CARD)
        tokens[0] = TEXTS
        mine = 1 + self.own
        for i, delay in enumerate(self.delays):
            if n > delay:  # else the initial one
                said = self.said[n - 1] if i < mine else None
                tokens[i] = self.heard[n - delay][i - mine] if said is None else said[i]
        x = self.t["text_emb.weight"][tokens[0]] + condition
        x = x + sum(self.t[f"emb.{i}.weight"][tokens[1 + i]] for i in range(streams - 1))
        for i in range(LAYERS):
            x = self._layer(f"transformer.layers.{i}", x, HEADS, self.seen[i], n)
        self.hidden = hidden = _rms(x, self.t["out_norm.alpha"])
        text = int((self.t["text_linear.weight"] @ hidden).argmax()) if forced is None else forced
        self.said.append(np.array([text, *(self._depth(hidden, text) if self.own else ())]))
        if not self.own:
            return self.said[n]
        if n == 0:
            return None
        return np.array([*self.said[n - 1][:2], *self.said[n][2:]])

    def _depth(self, hidden, token):
        seen: list = [([], []) for _ in range(DEPTH_LAYERS)]
        codes = []
        for book in range(8):
            name = f"depformer_emb.{book - 1}" if book else "depformer_text_emb"
            x = self.t[f"depformer_in.{book}.weight"] @ hidden + self.t[f"{name}.weight"][token]
            for i in range(DEPTH_LAYERS):
                x = self._layer(f"depformer.layers.{i}", x, DEPTH_HEADS, seen[i], None, book)
            token = int((self.t[f"linears.{book}.weight"] @ x).argmax())
            codes.append(token)
        return codes

    def _layer(self, name, x, heads, seen, position, book=None):
        width = len(x)
        at = slice(3 * width * (book or 0), 3 * width * ((book or 0) + 1))
        y = self.t[f"{name}.self_attn.in_proj_weight"][at] @ _rms(x, self.t[f"{name}.norm1.alpha"])
        q, k, v = y.reshape(3, heads, -1)
        if position is not None:
            half = q.shape[1] // 2
            turn = np.exp(1j * position * 10_000.0 ** (-np.arange(half) / half))
            q, k = ((z[:, 0::2] + 1j * z[:, 1::2]) * turn for z in (q, k))
        seen[0].append(k)
        seen[1].append(v)
        scores = np.einsum("hd,thd->ht", q, np.conj(seen[0])).real * v.shape[1] ** -0.5
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        y = np.einsum("ht,thd->hd", weights, np.array(seen[1])).reshape(-1)
        at = slice(width * (book or 0), width * ((book or 0) + 1))
        x = x + self.t[f"{name}.self_attn.out_proj.weight"][at] @ y
        gate = f"{name}.gating" + ("" if book is None else f".{book}")
        y = self.t[f"{gate}.linear_in.weight"] @ _rms(x, self.t[f"{name}.norm2.alpha"])
        y, value = np.split(y, 2)
        return x + self.t[f"{gate}.linear_out.weight"] @ (y / (1 + np.exp(-y)) * value)


def _rms(x, alpha):
    return x / np.sqrt((x**2).mean() + 1e-8) * alpha.reshape(-1)


def as_mlx(made, bits):
    """The same model as moshi_mlx names and quantises it; and its weights, rounded, by torch's
    names.
    """
    from pipelines.duplex.moshi.onnx.graphs.quantised import quantise

    file, rounded = {}, {}

    def put(name, torch, values, at=None):
        held = quantise(values, bits)
        per_word = 32 // bits
        words = held.levels.astype(np.uint32).reshape(len(values), -1, per_word)
        shifts = np.arange(per_word, dtype=np.uint32) * np.uint32(bits)
        file[f"{name}.weight"] = (words << shifts).sum(axis=2, dtype=np.uint32)
        file[f"{name}.scales"] = held.scales
        file[f"{name}.biases"] = -held.scales * held.zeros
        if at is None:
            rounded[torch] = held.dense()
        else:
            rounded.setdefault(torch, made[torch].copy())[at] = held.dense()

    for name, values in made.items():
        if name.endswith(".alpha"):
            rounded[name] = values
        if name.startswith(("text_emb", "text_linear")):
            put(name.removesuffix(".weight"), name, values)
        elif name.startswith("emb."):
            put("audio_embs." + name[4:].removesuffix(".weight"), name, values)
        elif name.startswith("transformer.") and name.endswith(".alpha"):
            file[name.replace("alpha", "weight")] = values.reshape(-1)
        elif name.startswith("transformer."):
            alone = name.replace("in_proj_weight", "in_proj.weight").removesuffix(".weight")
            put(alone, name, values)
    file["out_norm.weight"] = made["out_norm.alpha"].reshape(-1)
    for k in range(8):
        piece = f"depformer.slices.{k}"
        emb = f"depformer_emb.{k - 1}.weight" if k else "depformer_text_emb.weight"
        put(f"{piece}.emb", emb, made[emb])
        put(f"{piece}.linear_in", f"depformer_in.{k}.weight", made[f"depformer_in.{k}.weight"])
        put(f"{piece}.linear_out", f"linears.{k}.weight", made[f"linears.{k}.weight"])
        for i in range(DEPTH_LAYERS):
            layer, torch = f"{piece}.transformer.layers.{i}", f"depformer.layers.{i}"
            for norm in ("norm1", "norm2"):
                file[f"{layer}.{norm}.weight"] = made[f"{torch}.{norm}.alpha"].reshape(-1)
            for part, name in (("in_proj", "in_proj_weight"), ("out_proj", "out_proj.weight")):
                old = f"{torch}.self_attn.{name}"
                at = slice(len(made[old]) // 8 * k, len(made[old]) // 8 * (k + 1))
                put(f"{layer}.self_attn.{part}", old, made[old][at], at)
            for part in ("linear_in", "linear_out"):
                old = f"{torch}.gating.{k}.{part}.weight"
                put(f"{layer}.gating.{part}", old, made[old])
    return file, rounded


def write_mlx(path, file):
    """Writes what `as_mlx` gives."""
    kinds = {"uint32": "U32", "float32": "F32"}
    layout = {key: Tensor(kinds[str(v.dtype)], v.shape) for key, v in file.items()}
    safetensors.write(path, layout, iter(file.items()))
    return path
