"""What reads words off the ear's vectors: a small causal transformer, trained with the ear by CTC.

It is a part of the ear that ships: the language model hears its words, frame by frame, beside the
vectors that they were read off.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.nano_duplex.codec import Carry

LOOK_BACK = 40
"""Frames that a layer sees: 3.2 s."""
DROPOUT = 0.1
_NEVER = 1e9


@dataclass(frozen=True, slots=True)
class ReaderShape:
    """Sizes; the defaults are the recipe's."""

    width: int = 224
    layers: int = 4
    heads: int = 4


class Layer(nn.Module):
    """Attention to the last frames, with a learnt bias for each distance; then a feed-forward."""

    def __init__(self, shape: ReaderShape) -> None:
        super().__init__()
        width, self.heads = shape.width, shape.heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.bias = nn.Parameter(torch.zeros(self.heads, LOOK_BACK))

    def forward(self, x: Tensor, seen: Tensor, back: Tensor, carry: Carry) -> Tensor:
        """All frames at hand.

        Args:
            x: (B, T, width).
            seen: (B, T, 39 + T) which frames there are, and lie near enough.
            back: (T, 39 + T) how many frames a column lies before a row, within the reach.
            carry: Brings keys and values of the 39 frames before.
        """
        batch, length, width = x.shape
        q, k, v = self.mix(self.before(x)).chunk(3, -1)
        k, v = carry(torch.cat((k, v), -1), LOOK_BACK - 1).chunk(2, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        bias = self.bias[:, back] + _NEVER * (seen[:, None].to(x.dtype) - 1)
        mixed = F.scaled_dot_product_attention(q, k, v, bias)
        x = x + F.dropout(
            self.out(mixed.transpose(1, 2).reshape(batch, length, width)), DROPOUT, self.training
        )
        return x + F.dropout(
            self.shrink(F.gelu(self.grow(self.between(x)))), DROPOUT, self.training
        )


class WordReader(nn.Module):
    """Vectors (B, T, 96) → log-probabilities of words (B, T, words + 1); 0 is CTC's blank."""

    def __init__(self, vector: int, words: int, shape: ReaderShape | None = None) -> None:
        super().__init__()
        shape = shape or ReaderShape()
        self.level = nn.LayerNorm(vector, elementwise_affine=False)
        self.enter = nn.Linear(vector, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm, self.leave = nn.LayerNorm(shape.width), nn.Linear(shape.width, words + 1)

    def forward(self, vectors: Tensor, carry: Carry) -> Tensor:
        """A frame depends on no later frame."""
        return self.read(self.level(vectors), carry)

    def read(self, vectors: Tensor, carry: Carry) -> Tensor:
        """The same of vectors that were levelled already: training spoils these."""
        there = carry(torch.ones_like(vectors[..., :1]), LOOK_BACK - 1)[..., 0]  # (B, 39 + T)
        at = torch.arange(vectors.shape[1])
        back = LOOK_BACK - 1 + at[:, None] - torch.arange(there.shape[1])[None]
        near = (back >= 0) & (back < LOOK_BACK)
        seen = near[None] & (there > 0.5)[:, None]
        back = back.clamp(0, LOOK_BACK - 1)
        x = self.enter(vectors)
        for layer in self.layers:
            x = layer(x, seen, back, carry)
        return F.log_softmax(self.leave(self.norm(x)), -1)
