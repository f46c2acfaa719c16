"""The user's side of duplex-nano: an encoder that is trained to be read, and what reads it.

The encoder has the codec's shape (log-mel → causal ConvNeXt → 12.5 Hz) and gives a vector a frame,
the reader how likely each word was told in it. The codec's own encoder serves the agent's one
voice; of a hundred users' voices nobody wants the sound back, only the words, and an encoder that
need not keep the sound learns these many times faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipelines.duplex.nano.ear import VECTOR
from pipelines.duplex.nano.sound import RATE_HZ, mel_filters
from training.nano_duplex.codec import PLACES, Carry, Encoder, Shape
from training.nano_duplex.reader import ReaderShape, WordReader


class Ear(nn.Module):
    """Encoder and reader, with the phone classifier of their training."""

    def __init__(
        self,
        phones: int,
        words: int,
        shape: Shape | None = None,
        reader: ReaderShape | None = None,
    ) -> None:
        super().__init__()
        shape = shape or Shape()
        self.encoder = Encoder(shape)
        self.narrow = nn.Linear(shape.slow, VECTOR)
        self.phones = nn.Linear(VECTOR, len(PLACES) * phones)
        self.reader = WordReader(VECTOR, words, reader)

    def vectors(self, mel: Tensor, carry: Carry) -> Tensor:
        """Log-mel (B, 8·T, 80) → (B, T, 96): each has seen its own frame and those before."""
        found: Tensor = self.narrow(self.encoder(mel, carry))
        return found

    def forward(self, mel: Tensor, carry: Carry) -> Tensor:
        """What the product hears.

        Returns:
            (B, T, 96 + 1 + words): the vector, then how likely in this frame no word was told, or
            which one.
        """
        vectors = self.vectors(mel, carry)
        return torch.cat((vectors, self.reader(vectors, carry).exp()), -1)


PIVOT_HZ, SLOPE_HZ = 2000.0, 1000.0
"""Between the first formants and the higher ones; how far from there both are apart."""


def warped_filters(stretch: Tensor, bend: Tensor | None = None) -> Tensor:
    """The filters as a shorter or longer vocal tract would need them.

    Args:
        stretch: (B,) 1.1 hears all formants a tenth lower.
        bend: (B,) 0.1 hears the high ones a tenth lower still, and the low ones a tenth higher: two
            throats differ in mouth and pharynx, not in length alone.

    Returns:
        (B, bins, 80): filter m hears at bin f what it would have heard at f / stretch.
    """
    plain = torch.from_numpy(mel_filters())
    bins = torch.arange(len(plain))[None] / stretch[:, None]
    if bend is not None:
        hz = bins * (RATE_HZ / 2 / (len(plain) - 1))
        bins = bins / (1 + bend[:, None] * torch.tanh((hz - PIVOT_HZ) / SLOPE_HZ))
    low = bins.floor().long().clamp(max=len(plain) - 1)
    high = (low + 1).clamp(max=len(plain) - 1)
    share = (bins - low).clamp(0, 1)[..., None]
    return plain[low] * (1 - share) + plain[high] * share
