"""The language model of duplex-nano: a temporal transformer over frames, a depth one over books.

Per frame of 80 ms it hears the user's vector and its own last text token and codes, and gives the
next text token and eight codes. Books 1–7 lie one frame behind book 0 (`delayed`), the text two
frames ahead of the audio (the data has it so).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 as everybody calls it
from torch import Tensor, nn

PAD, BOS, EOS = 0, 1, 2
"""Text tokens: nothing in this frame, before the first frame, the end of an utterance."""
ROPE_BASE = 10_000.0


@dataclass(frozen=True, slots=True)
class LmSizes:
    """The shape of the model."""

    words: int
    """Text tokens with PAD, BOS and EOS."""
    vector: int
    """Width of the user's vector: its sound, and what the ear reads in it."""
    books: int = 8
    codes: int = 512
    """Codes of a book; the next id stands for "none yet"."""
    dim: int = 320
    layers: int = 6
    heads: int = 5
    hidden: int = 832
    window: int = 250
    """Frames that a frame attends to, itself among them."""
    depth_dim: int = 192
    depth_layers: int = 2
    depth_heads: int = 3
    depth_hidden: int = 512
    user_words: int = 0
    """Words of the user's for the auxiliary CTC, in training only; 0: none."""
    ctc_layer: int = 4
    """After which temporal layer the CTC reads."""


def delayed(codes: Tensor, none: int) -> Tensor:
    """Books 1… one frame late.

    Args:
        codes: (batch, frames, books).
        none: The id where there is no code yet.
    """
    late = torch.full_like(codes, none)
    late[:, :, 0] = codes[:, :, 0]
    late[:, 1:, 1:] = codes[:, :-1, 1:]
    return late


def rotation(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines (positions, width / 2) of rotary embedding."""
    rates = ROPE_BASE ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = positions.double()[:, None] * rates
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the two halves of the last axis against each other."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def window_mask(frames: int, window: int) -> Tensor:
    """(frames, frames) true where a frame may look."""
    at = torch.arange(frames)
    back = at[:, None] - at[None, :]
    return (back >= 0) & (back < window)


class Norm(nn.Module):
    """RMS norm, written out so that every exporter knows its operators."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Block(nn.Module):
    """Pre-norm attention and SwiGLU; attention is split so that a step can do its own."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.attention_norm, self.mlp_norm = Norm(dim), Norm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of x (…, dim), each (…, heads, width)."""
        mixed = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, self.width))
        return mixed[..., 0, :, :], mixed[..., 1, :, :], mixed[..., 2, :, :]

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """What attention found (…, heads, width) added, then the MLP."""
        x = x + self.out(attended.flatten(-2))
        gate, up = self.up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)

    def forward(self, x: Tensor, mask: Tensor, turn: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """All positions at once: x (batch, positions, dim)."""
        q, k, v = (part.transpose(1, 2) for part in self.project(x))
        if turn is not None:
            q, k = rotate(q, *turn), rotate(k, *turn)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.finish(x, attended.transpose(1, 2))


class Lm(nn.Module):
    """The whole; `training.nano_duplex.export_lm` makes the streaming step of the same weights."""

    def __init__(self, sizes: LmSizes) -> None:
        super().__init__()
        s = self.sizes = sizes
        self.user_mean: Tensor
        self.user_scale: Tensor
        self.register_buffer("user_mean", torch.zeros(s.vector))
        self.register_buffer("user_scale", torch.ones(s.vector))
        self.user_in = nn.Linear(s.vector, s.dim)
        self.text_in = nn.Embedding(s.words, s.dim)
        self.codes_in = nn.Embedding(s.books * (s.codes + 1), s.dim)
        self.layers = nn.ModuleList(Block(s.dim, s.heads, s.hidden) for _ in range(s.layers))
        self.norm = Norm(s.dim)
        self.text_out = nn.Linear(s.dim, s.words, bias=False)
        self.ctc_out = nn.Linear(s.dim, s.user_words + 1) if s.user_words else None
        self.depth_z = nn.Linear(s.dim, s.depth_dim, bias=False)
        self.depth_text = nn.Embedding(s.words, s.depth_dim)
        self.depth_codes = nn.Embedding((s.books - 1) * s.codes, s.depth_dim)
        self.depth_book = nn.Parameter(torch.zeros(s.books, s.depth_dim))
        self.depth = nn.ModuleList(
            Block(s.depth_dim, s.depth_heads, s.depth_hidden) for _ in range(s.depth_layers)
        )
        self.depth_norm = Norm(s.depth_dim)
        self.codes_out = nn.Parameter(torch.zeros(s.books, s.depth_dim, s.codes))
        self._begin()

    def _begin(self) -> None:
        """Small normal weights; what is added to the residual stream smaller with depth."""
        s = self.sizes
        for name, weight in self.named_parameters():
            if weight.dim() < 2:
                continue
            deep = 2 * (s.depth_layers if name.startswith("depth.") else s.layers)
            shrink = deep**-0.5 if name.endswith(("out.weight", "down.weight")) else 1.0
            top = name in ("text_out.weight", "ctc_out.weight")
            nn.init.normal_(weight, std=0.02 if top else 0.04 * shrink)

    def standardise(self, mean: Tensor, spread: Tensor) -> None:
        """Tells it how the user's vectors lie: each dimension is read as alike as any other."""
        self.user_mean.copy_(mean)
        self.user_scale.copy_(1 / spread.clamp(min=1e-3))

    @property
    def none(self) -> int:
        """The id of "no code yet"."""
        return self.sizes.codes

    def embed(self, vectors: Tensor, text: Tensor, codes: Tensor | None) -> Tensor:
        """The input of a frame: the user's vector, the last text token and codes, added.

        Args:
            vectors: (…, vector).
            text: (…) token of the frame before.
            codes: (…, books) of the frame before, as `delayed` has them; None: not told.
        """
        heard = (vectors - self.user_mean) * self.user_scale
        x: Tensor = self.user_in(heard) + self.text_in(text)
        if codes is None:
            return x
        shift = torch.arange(self.sizes.books, device=codes.device) * (self.sizes.codes + 1)
        return x + self.codes_in(codes + shift).sum(-2)

    def temporal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The transformer over all frames: x (batch, frames, dim).

        Returns:
            What the heads read, and what the CTC reads, both (batch, frames, dim).
        """
        s = self.sizes
        frames = x.shape[1]
        mask = window_mask(frames, s.window).to(x.device)
        turn = rotation(torch.arange(frames), s.dim // s.heads)
        turn = (turn[0].to(x.device), turn[1].to(x.device))
        early = x
        for index, layer in enumerate(self.layers):
            x = layer(x, mask, turn)
            if index + 1 == s.ctc_layer:
                early = x
        return self.norm(x), early

    def book_logits(self, z: Tensor, text: Tensor, codes: Tensor) -> Tensor:
        """Of all books at once, each told the true codes of those before it.

        Args:
            z: (n, dim) of `temporal`.
            text: (n,) the frame's text token.
            codes: (n, books) as `delayed` has them, none of them "none yet".

        Returns:
            (n, books, codes).
        """
        s = self.sizes
        shift = torch.arange(s.books - 1, device=codes.device) * s.codes
        before = self.depth_codes(codes[:, :-1] + shift)
        first = self.depth_text(text)[:, None]
        x = self.depth_z(z)[:, None] + torch.cat((first, before), 1) + self.depth_book
        mask = window_mask(s.books, s.books).to(x.device)
        for layer in self.depth:
            x = layer(x, mask)
        # (n, books, d) × (books, d, codes), book by book.
        return torch.einsum("nbd,bdc->nbc", self.depth_norm(x), self.codes_out)


def parameters_of(model: nn.Module) -> int:
    """How many weights."""
    return sum(weight.numel() for weight in model.parameters())
