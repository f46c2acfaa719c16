"""The shape of a Mimi, read from its checkpoint's header."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from pipelines.duplex.moshi.onnx.graphs.ring import Ring
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader

STEPS = 2
"""Steps of the transformers in a frame."""
CONTEXT = 250
"""Steps that a transformer's layer sees: 10 s. No file says it."""
FRAME_SAMPLES = 1920
HEAD = 64
"""Width of a head. No file says it either."""


@dataclass(frozen=True, slots=True)
class MimiShape:
    """The numbers that the graphs follow from."""

    filters: int
    """Channels after the first convolution; they double with each stride."""
    ratios: tuple[int, ...]
    """Strides of the encoder, in its order."""
    dim: int
    """Width of the latent and the transformers."""
    layers: int
    """Of each transformer."""
    codebooks: int
    """Number of codebooks in the file."""
    entries: int
    """Entries of a codebook."""
    book_width: int
    """Width of an entry."""
    heads: int
    """Of each transformer."""

    @property
    def widest(self) -> int:
        """Channels at the inner end of both convolutional stacks."""
        return int(self.filters * 2 ** len(self.ratios))

    @property
    def ring(self) -> Ring:
        """Shape of a transformer's attention."""
        return Ring(self.layers, self.heads, self.dim // self.heads, CONTEXT, STEPS)


def shape_of(reader: Reader, heads: int = 0) -> MimiShape:
    """Reads the shape; ``heads``, where they are not as wide as Kyutai's.

    Raises:
        WeightsError: the file is no Mimi.
    """

    def dims(name: str) -> tuple[int, ...]:
        if name not in reader:
            raise WeightsError(
                f"{reader.path} has no tensor {name}: it is not Mimi's checkpoint, or it is "
                "damaged: fetch or make it again"
            )
        return reader.header[name].shape

    ratios: list[int] = []
    while (name := f"encoder.model.{3 + 3 * len(ratios)}.conv.conv.weight") in reader:
        ratios.append(dims(name)[-1] // 2)
    last = f"encoder.model.{2 + 3 * len(ratios)}.conv.conv.weight"
    layer = "encoder_transformer.transformer.layers.{}.norm1.weight"
    rest = "quantizer.rvq_rest.vq.layers.{}._codebook.embedding_sum"
    book = dims("quantizer.rvq_first.vq.layers.0._codebook.embedding_sum")
    shape = MimiShape(
        filters=dims("encoder.model.0.conv.conv.weight")[0],
        ratios=tuple(ratios),
        dim=dims(last)[0],
        layers=_count(reader, layer),
        codebooks=1 + _count(reader, rest),
        entries=book[0],
        book_width=book[1],
        heads=heads or max(1, dims(last)[0] // HEAD),
    )
    if STEPS * prod(ratios) != FRAME_SAMPLES or shape.dim % shape.heads or not shape.layers:
        raise WeightsError(
            f"{reader.path} has strides of {ratios}, a latent of {shape.dim} and {shape.layers} "
            "transformer layers: that is not Mimi's shape: take Kyutai's checkpoint, or make it "
            "again"
        )
    return shape


def _count(reader: Reader, name: str) -> int:
    count = 0
    while name.format(count) in reader:
        count += 1
    return count
