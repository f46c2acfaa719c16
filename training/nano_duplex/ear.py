"""The user's side of duplex-nano: an encoder that is trained to be read, not to be decoded.

It has the codec's shape (log-mel → causal ConvNeXt → 12.5 Hz) and gives a vector a frame. The
codec's own encoder serves the agent's one voice; of a hundred users' voices nobody wants the sound
back, only the words, and an encoder that need not keep the sound learns these many times faster.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipelines.duplex.nano_sound import mel_filters
from training.nano_duplex.codec import PLACES, Carry, Encoder, Shape

VECTOR = 96
"""Floats that stand for a frame."""


class Ear(nn.Module):
    """Log-mel (B, 8·T, 80) → vectors (B, T, 96), with the phone classifier of its training."""

    def __init__(self, phones: int, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        self.encoder = Encoder(shape)
        self.narrow = nn.Linear(shape.slow, VECTOR)
        self.phones = nn.Linear(VECTOR, len(PLACES) * phones)

    def forward(self, mel: Tensor, carry: Carry) -> Tensor:
        """A vector has seen its own frame and those before."""
        vectors: Tensor = self.narrow(self.encoder(mel, carry))
        return vectors


def warped_filters(stretch: Tensor) -> Tensor:
    """The filters as a shorter or longer vocal tract would need them.

    Args:
        stretch: (B,) 1.1 hears all formants a tenth lower.

    Returns:
        (B, bins, 80): filter m hears at bin f what it would have heard at f / stretch.
    """
    plain = torch.from_numpy(mel_filters())
    bins = torch.arange(len(plain))[None] / stretch[:, None]
    low = bins.floor().long().clamp(max=len(plain) - 1)
    high = (low + 1).clamp(max=len(plain) - 1)
    share = (bins - low).clamp(0, 1)[..., None]
    return plain[low] * (1 - share) + plain[high] * share
