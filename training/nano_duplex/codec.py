"""Codec B of duplex-nano: log-mel → ConvNeXt → eight codebooks → ConvNeXt → spectra → sound.

Everything is causal, and one code path serves training and streaming: each layer that looks back
takes its past from a `Carry` and leaves its new past there (silence where there is none).

Alignment: decoded sound lies ``DELAY`` samples behind the sound that was encoded. A decoded
spectrum covers 960 samples from its hop on; with 480 of delay it stands one hop later than the
newest log-mel that the encoder has seen when the frame ends, so only the last of a frame's eight
spectra is partly foretold (by 10 ms). With none, three of eight would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipelines.duplex.nano.sound import (
    BINS,
    FLOOR,
    FRAME,
    HOP,
    MEL_WINDOW,
    MELS,
    WINDOW,
    hann,
    mel_filters,
)

DELAY = 480
BOOKS, ENTRIES, WIDTH = 8, 512, 48
HOPS = FRAME // HOP
PLACES = (2, 6)
"""Hops of a frame whose phones book 0 is asked for: the middles of its halves."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the defaults are the recipe's."""

    fast: int = 128
    """Width at 100 and at 50 Hz in the encoder."""
    slow: int = 192
    """Width at 12.5 Hz."""
    voice: int = 160
    """Width at 100 Hz in the decoder."""
    depths: tuple[int, int, int, int, int] = (2, 2, 2, 3, 3)
    """Blocks: encoder at 100, 50 and 12.5 Hz; decoder at 12.5 and 100 Hz."""
    kernel: int = 7
    expansion: int = 3


class Carry:
    """Hands each causal layer its past, in order, and gathers the pasts of the next call."""

    def __init__(self, state: Tensor | None = None) -> None:
        """``state``: (size,) of one stream, as `gathered` gave it; None: silence before."""
        self._state, self._at = state, 0
        self._new: list[Tensor] = []

    def __call__(self, x: Tensor, reach: int) -> Tensor:
        """(B, T, C) → (B, reach + T, C): the last ``reach`` of what this layer saw come first."""
        if self._state is None:
            joined = F.pad(x, (0, 0, reach, 0))
        else:
            size = reach * x.shape[2]
            past = self._state[self._at : self._at + size].view(1, reach, x.shape[2])
            self._at += size
            joined = torch.cat([past, x], 1)
        self._new.append(joined[:, -reach:])
        return joined

    def gathered(self) -> Tensor:
        """The pasts of all layers as one vector (size,); of a single stream."""
        return torch.cat([past.reshape(-1) for past in self._new])


class Block(nn.Module):
    """A causal ConvNeXt block on (B, T, C)."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.reach = shape.kernel - 1
        self.depthwise = nn.Conv1d(width, width, shape.kernel, groups=width)
        self.norm = nn.LayerNorm(width)
        self.grow = nn.Linear(width, shape.expansion * width)
        self.shrink = nn.Linear(shape.expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor, carry: Carry) -> Tensor:
        """Adds what the block makes of the last seven steps."""
        mixed = self.depthwise(carry(x, self.reach).transpose(1, 2)).transpose(1, 2)
        return x + self.scale * self.shrink(F.gelu(self.grow(self.norm(mixed)), approximate="tanh"))


def _stack(number: int, width: int, shape: Shape) -> nn.ModuleList:
    return nn.ModuleList(Block(width, shape) for _ in range(number))


def _fold(x: Tensor, by: int) -> Tensor:
    """(B, T·by, C) → (B, T, by·C): a strided convolution is a linear layer on this."""
    return x.reshape(x.shape[0], -1, by * x.shape[2])


class Encoder(nn.Module):
    """Log-mel (B, 8·T, 80) → features (B, T, 192)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        fast, slow = shape.fast, shape.slow
        self.stem = nn.Linear(3 * MELS, fast)
        self.blocks_100 = _stack(shape.depths[0], fast, shape)
        self.halve = nn.Linear(2 * fast, fast)
        self.blocks_50 = _stack(shape.depths[1], fast, shape)
        self.quarter = nn.Linear(4 * fast, slow)
        self.blocks_12 = _stack(shape.depths[2], slow, shape)
        self.norm = nn.LayerNorm(slow)

    def forward(self, mel: Tensor, carry: Carry) -> Tensor:
        """Each feature has seen its own frame and those before."""
        x = carry((mel + 1.0) / 3.0, 2)
        x = self.stem(torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], 2))
        for block in self.blocks_100:
            x = block(x, carry)
        x = self.halve(_fold(x, 2))
        for block in self.blocks_50:
            x = block(x, carry)
        x = self.quarter(_fold(x, 4))
        for block in self.blocks_12:
            x = block(x, carry)
        return self.norm(x)


class Decoder(nn.Module):
    """Vectors (B, T, 96) → real and imaginary spectra (B, 8·T, 481) each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.stem = nn.Linear(2 * WIDTH, shape.slow)
        self.blocks_12 = _stack(shape.depths[3], shape.slow, shape)
        self.up = nn.Linear(shape.slow, HOPS * shape.voice)
        self.blocks_100 = _stack(shape.depths[4], shape.voice, shape)
        self.norm = nn.LayerNorm(shape.voice)
        self.head = nn.Linear(shape.voice, 2 * BINS)

    def forward(self, vectors: Tensor, carry: Carry) -> tuple[Tensor, Tensor]:
        """The head gives log magnitude and phase."""
        x = self.stem(vectors)
        for block in self.blocks_12:
            x = block(x, carry)
        x = self.up(x).reshape(x.shape[0], -1, self.norm.normalized_shape[0])
        for block in self.blocks_100:
            x = block(x, carry)
        level, phase = self.head(self.norm(x)).split(BINS, 2)
        magnitude = torch.exp(level.clamp(max=5.0))
        return magnitude * torch.cos(phase), magnitude * torch.sin(phase)


class Codec(nn.Module):
    """The whole of it, with the phone classifiers that only training needs."""

    def __init__(self, phones: int, shape: Shape | None = None) -> None:
        super().__init__()
        from training.nano_duplex.quantiser import Quantiser

        shape = shape or Shape()
        self.encoder = Encoder(shape)
        self.narrow = nn.Linear(shape.slow, 2 * WIDTH)
        self.quantiser = Quantiser(BOOKS, ENTRIES, WIDTH)
        self.decoder = Decoder(shape)
        self.phones_of_book = nn.Linear(WIDTH, len(PLACES) * phones)
        self.phones_of_latent = nn.Linear(shape.slow, len(PLACES) * phones)

    def encode(self, mel: Tensor, carry: Carry) -> tuple[Tensor, Tensor]:
        """Log-mel (B, 8·T, 80) → codes (B, T, 8) and vectors (B, T, 96)."""
        return self.quantiser.encode(self.narrow(self.encoder(mel, carry)))

    def decode(self, codes: Tensor, carry: Carry) -> tuple[Tensor, Tensor]:
        """Codes (B, T, 8) → real and imaginary spectra (B, 8·T, 481)."""
        return self.decoder(self.quantiser.look_up(codes), carry)


class Sound(nn.Module):
    """Sound ↔ spectra in torch, with the runtime's own tables: its numbers are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ear", torch.from_numpy(hann(MEL_WINDOW)), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters()), persistent=False)
        self.register_buffer("mouth", torch.from_numpy(hann(WINDOW)) / 1.5, persistent=False)

    def log_mel(self, pcm: Tensor) -> Tensor:
        """(B, n · 240) → (B, n, 80)."""
        pieces = F.pad(pcm, (MEL_WINDOW - HOP, 0)).unfold(1, MEL_WINDOW, HOP)
        spectra = torch.fft.rfft(pieces * self.ear)
        magnitude = (spectra.real.square() + spectra.imag.square()).sqrt()
        return torch.log(torch.clamp(magnitude @ self.filters, min=FLOOR))

    def wave(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Spectra (B, n, 481) → (B, n · 240); what reaches past the last hop is cut off."""
        waves = torch.fft.irfft(torch.complex(real, imaginary), WINDOW) * self.mouth
        batch, number, _ = waves.shape
        quarters = waves.view(batch, number, WINDOW // HOP, HOP)
        out = quarters[:, :, 0]
        for place in range(1, WINDOW // HOP):
            out = out + F.pad(quarters[:, :-place, place], (0, 0, place, 0))
        return out.reshape(batch, -1)
