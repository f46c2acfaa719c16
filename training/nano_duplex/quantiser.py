"""Split residual vector quantisation: book 0 alone (what is said), books 1–7 in a row (how).

Codebooks follow the latents by exponential moving averages; an entry that hardly anything falls on
is set anew on a latent of the batch. Gradients pass straight through to the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

DECAY = 0.99
DEAD = 0.15
"""An entry is dead when fewer latents a batch than this fall on it, averaged."""


@dataclass
class Quantised:
    """What one batch became."""

    vectors: Tensor
    """(B, T, 2·width), gradients passed straight through; dropped books left out."""
    codes: Tensor
    """(B, T, books) int64."""
    commitment: Tensor
    """Scalar: mean squared distance of the latents to their entries."""


class Quantiser(nn.Module):
    """All codebooks; ``books`` × ``entries`` × ``width``."""

    def __init__(self, books: int, entries: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("table", torch.randn(books, entries, width) * 0.3)
        self.register_buffer("count", torch.ones(books, entries))
        self.register_buffer("total", self.table.clone())
        self.register_buffer("met", torch.zeros(()))
        """1 once the first batch has set the entries."""

    def _nearest(self, book: int, latent: Tensor) -> Tensor:
        table = self.table[book]
        return (latent @ table.t() - 0.5 * table.square().sum(1)).argmax(-1)

    def encode(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, T, 2·width) → codes (B, T, books), vectors (B, T, 2·width)."""
        said, rest = latent.split(self.width, -1)
        codes = [self._nearest(0, said)]
        sounds = torch.zeros_like(rest)
        for book in range(1, len(self.table)):
            codes.append(self._nearest(book, rest - sounds))
            sounds = sounds + F.embedding(codes[-1], self.table[book])
        meaning = F.embedding(codes[0], self.table[0])
        return torch.stack(codes, -1), torch.cat([meaning, sounds], -1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes (B, T, books) → vectors (B, T, 2·width)."""
        sounds = F.embedding(codes[..., 1], self.table[1])
        for book in range(2, len(self.table)):
            sounds = sounds + F.embedding(codes[..., book], self.table[book])
        return torch.cat([F.embedding(codes[..., 0], self.table[0]), sounds], -1)

    def forward(self, latent: Tensor, kept: Tensor, learn: bool = True) -> Quantised:
        """Quantises a batch of training; ``kept``: (B,) how many of books 1–7 each item keeps."""
        said, rest = latent.split(self.width, -1)
        parts, codes, costs = [], [], []
        left, sounds = rest, torch.zeros_like(rest)
        for book in range(len(self.table)):
            target = said if book == 0 else left
            if learn and not self.met:
                self._begin(book, target.detach())
            code = self._nearest(book, target.detach())
            entry = F.embedding(code, self.table[book])
            costs.append(F.mse_loss(target, entry))
            if learn:
                self._follow(book, target.detach(), code)
            if book == 0:
                parts.append(said + (entry - said).detach())
            else:
                sounds = sounds + entry * (kept >= book).view(-1, 1, 1)
                left = left - entry
            codes.append(code)
        if learn:
            self.met.fill_(1.0)
        parts.append(rest + (sounds - rest).detach())
        return Quantised(torch.cat(parts, -1), torch.stack(codes, -1), torch.stack(costs).mean())

    @torch.no_grad()
    def _begin(self, book: int, latent: Tensor) -> None:
        flat = latent.reshape(-1, self.width)
        entries = self.table.shape[1]
        chosen = flat[torch.randint(len(flat), (entries,))]
        self.table[book] = chosen + 0.01 * torch.randn_like(chosen) * flat.std()
        self.total[book] = self.table[book]
        self.count[book] = 1.0

    @torch.no_grad()
    def _follow(self, book: int, latent: Tensor, code: Tensor) -> None:
        flat, code = latent.reshape(-1, self.width), code.reshape(-1)
        fell = torch.bincount(code, minlength=self.table.shape[1]).to(flat.dtype)
        total = torch.zeros_like(self.total[book]).index_add_(0, code, flat)
        self.count[book].lerp_(fell, 1 - DECAY)
        self.total[book].lerp_(total, 1 - DECAY)
        dead = (self.count[book] < DEAD).nonzero().squeeze(1)
        if len(dead):
            chosen = flat[torch.randint(len(flat), (len(dead),))]
            self.total[book, dead] = chosen
            self.count[book, dead] = 1.0
        self.table[book] = self.total[book] / self.count[book].unsqueeze(1).clamp(min=1e-4)

    @torch.no_grad()
    def used(self) -> Tensor:
        """(books,): the entropy of each book's use as a number of equally used entries."""
        share = self.count / self.count.sum(1, keepdim=True)
        return torch.exp(-(share * torch.log(share.clamp(min=1e-9))).sum(1))
