"""Many conversations at once, frame by frame, in torch: for looking at a model while it trains."""

from __future__ import annotations

import torch
from torch import Tensor

from training.nano_duplex.lm import BOS, EOS, PAD, Lm, rotate, rotation


class Stream:
    """The state of some conversations; the same numbers as `Lm` over all frames at once."""

    def __init__(
        self,
        lm: Lm,
        batch: int,
        *,
        speaks: bool = True,
        temperature: float = 0.0,
        text_temperature: float = 0.0,
        eagerness: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Begins them.

        Args:
            lm: The model.
            batch: How many.
            speaks: Whether it makes codes and hears its own; False: text alone (stage ``read``).
            temperature: Of the codes; 0 is greedy.
            text_temperature: Of the text; 0 is greedy.
            eagerness: In nats, taken from silence while it listens; as `NanoLm.open` has it.
            seed: Of the sampling.
        """
        s = lm.sizes
        self.lm, self.speaks = lm, speaks
        self.temperature, self.text_temperature = temperature, text_temperature
        self.eagerness, self.listening = eagerness, torch.ones(batch, dtype=torch.bool)
        self.random = torch.Generator().manual_seed(seed)
        self.frame = 0
        self.text = torch.full((batch,), BOS)
        self.codes = torch.full((batch, s.books), lm.none)
        shape = (s.layers, batch, s.heads, s.window, s.dim // s.heads)
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)

    @torch.no_grad()
    def step(self, vectors: Tensor, forced: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """One frame of each.

        Args:
            vectors: (batch, vector).
            forced: (batch,) text tokens to take; -1: the model's own.

        Returns:
            (batch,) text tokens, and (batch, books) codes as `delayed` has them, if it speaks.
        """
        lm, s = self.lm, self.lm.sizes
        slot, held = self.frame % s.window, min(self.frame + 1, s.window)
        turn = rotation(torch.tensor([self.frame]), s.dim // s.heads)
        x = lm.embed(vectors, self.text, self.codes if self.speaks else None)
        for index, layer in enumerate(lm.layers):
            q, k, v = layer.project(x)  # (batch, heads, width)
            q, k = rotate(q, *turn), rotate(k, *turn)
            self.keys[index, :, :, slot], self.values[index, :, :, slot] = k, v
            keys, values = self.keys[index, :, :, :held], self.values[index, :, :, :held]
            scores = (keys @ q[..., None])[..., 0] * layer.width**-0.5
            x = layer.finish(x, (scores.softmax(-1)[..., None, :] @ values)[..., 0, :])
        z = lm.norm(x)
        logits = lm.text_out(z)
        logits[:, PAD] -= self.eagerness * self.listening
        text = self._draw(logits, self.text_temperature)
        self.text = text if forced is None else torch.where(forced >= 0, forced, text)
        self.listening = torch.where(self.text == PAD, self.listening, self.text == EOS)
        if self.speaks:
            self.codes = self._books(z)
            if self.frame == 0:
                self.codes[:, 1:] = lm.none
        self.frame += 1
        return self.text, self.codes if self.speaks else None

    def _books(self, z: Tensor) -> Tensor:
        """Book after book; the few positions are simply computed again."""
        s = self.lm.sizes
        codes = torch.zeros(len(z), s.books, dtype=torch.long)
        for book in range(s.books):
            logits = self.lm.book_logits(z, self.text, codes)[:, book]
            codes[:, book] = self._draw(logits, self.temperature)
        return codes

    def _draw(self, logits: Tensor, temperature: float) -> Tensor:
        if not temperature:
            return logits.argmax(-1)
        odds = (logits / temperature).softmax(-1)
        return torch.multinomial(odds, 1, generator=self.random)[:, 0]
