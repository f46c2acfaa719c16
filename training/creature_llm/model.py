"""The model: a plain llama (RMSNorm, rotary positions, SwiGLU, tied embeddings) in torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes, as they end up in the GGUF's metadata."""

    vocab: int = 1536
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    ffn: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    eps: float = 1e-5


class Block(nn.Module):
    """Attention and feed-forward, both behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        h = shape.hidden
        self.heads, self.eps = shape.heads, shape.eps
        self.attn_norm = nn.Parameter(torch.ones(h))
        self.ffn_norm = nn.Parameter(torch.ones(h))
        self.attn_qkv = nn.Linear(h, 3 * h, bias=False)
        self.attn_output = nn.Linear(h, h, bias=False)
        self.ffn_gate_up = nn.Linear(h, 2 * shape.ffn, bias=False)
        self.ffn_down = nn.Linear(shape.ffn, h, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """x: (batch, time, hidden)."""
        b, t, h = x.shape
        normed = functional.rms_norm(x, (h,), self.attn_norm, self.eps)
        qkv = self.attn_qkv(normed).view(b, t, 3, self.heads, h // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, dim)
        out = functional.scaled_dot_product_attention(
            rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True
        )
        x = x + self.attn_output(out.transpose(1, 2).reshape(b, t, h))
        normed = functional.rms_norm(x, (h,), self.ffn_norm, self.eps)
        gate, up = self.ffn_gate_up(normed).chunk(2, dim=-1)
        return x + self.ffn_down(functional.silu(gate) * up)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves paired (the exporter permutes q and k for llama.cpp)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


class Llama(nn.Module):
    """Token ids to logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocab, shape.hidden)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden))
        dim = shape.hidden // shape.heads
        speeds = shape.rope_base ** (-torch.arange(0, dim, 2).float() / dim)
        angles = torch.outer(torch.arange(shape.context).float(), speeds)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                # Residual outputs start smaller, so that depth does not blow up the sum.
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if deep else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (batch, time) → hidden states after the last norm, (batch, time, hidden)."""
        t = ids.shape[1]
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos[:t], self.sin[:t])
        return functional.rms_norm(x, (self.shape.hidden,), self.norm, self.shape.eps)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy where ``targets`` >= 0: only those positions get logits."""
        hidden = self(ids).flatten(0, 1)
        places = (targets.flatten() >= 0).nonzero().squeeze(1)
        # Filled up to a round number, so that the product with the vocabulary has few shapes.
        spare = -len(places) % 256
        logits = hidden[functional.pad(places, (0, spare))] @ self.embed.weight.T
        wanted = functional.pad(targets.flatten()[places], (0, spare), value=-1)
        return functional.cross_entropy(logits.float(), wanted, ignore_index=-1)
