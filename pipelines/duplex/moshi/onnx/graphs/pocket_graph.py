"""The decoder of Pocket TTS's codec as a graph: a frame's latent → its samples.

It is Mimi's with another cut: 16 steps a frame, three strides, and a latent in place of codes.
Names of tensors are those of the package's ``model.safetensors``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from pipelines.duplex.moshi.onnx.graphs.pieces import (
    Build,
    transformer,
    upsample,
    upward,
    upward_pieces,
    writing,
)
from pipelines.duplex.moshi.onnx.graphs.ring import Ring
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader

PREFIX = "mimi."


@dataclass(frozen=True, slots=True)
class PocketShape:
    """The numbers that the graph follows from."""

    latent: int
    """Width of a frame's latent."""
    dim: int
    """Width of the transformer."""
    width: int
    """Channels after the first convolution; halved by each stride."""
    kernel: int
    """Of the first convolution."""
    ratios: tuple[int, ...]
    """Strides, in order."""
    ring: Ring

    @property
    def samples(self) -> int:
        """Samples of a frame."""
        return self.ring.steps * prod(self.ratios)


def shape_of(reader: Reader, heads: int, context: int) -> PocketShape:
    """Reads the shape.

    Args:
        reader: The checkpoint.
        heads: Of the transformer; only the configuration says it.
        context: Steps that it sees; as above.

    Raises:
        WeightsError: the file holds no such codec.
    """

    def dims(name: str) -> tuple[int, ...]:
        if PREFIX + name not in reader:
            raise WeightsError(
                f"{reader.path} has no tensor {PREFIX}{name}: it is not Pocket TTS's, or it is "
                "damaged: fetch the model again"
            )
        return reader.header[PREFIX + name].shape

    dim, latent, _ = dims("quantizer.output_proj.weight")
    width, _, kernel = dims("decoder.model.0.conv.weight")
    ratios: list[int] = []
    while PREFIX + (name := f"decoder.model.{2 + 3 * len(ratios)}.convtr.weight") in reader:
        ratios.append(dims(name)[-1] // 2)
    layers = 0
    while f"{PREFIX}decoder_transformer.transformer.layers.{layers}.norm1.weight" in reader:
        layers += 1
    steps = dims("upsample.convtr.convtr.weight")[-1] // 2
    if dim % heads or not ratios or not layers:
        raise WeightsError(
            f"{reader.path} has a codec of width {dim} with {heads} heads, {len(ratios)} strides "
            f"and {layers} transformer layers, which is not Pocket TTS's shape: fetch the model "
            "again"
        )
    ring = Ring(layers, heads, dim // heads, context, steps)
    return PocketShape(latent, dim, width, kernel, tuple(ratios), ring)


def write_pocket(path: Path, tensors: Reader, shape: PocketShape) -> None:
    """Writes ``latent`` (batch, latent) → ``pcm`` (batch, 1, samples).

    Raises:
        WeightsError: a tensor is missing, or has another shape than the others ask for.
    """
    with writing(path) as graph:
        steps = shape.ring.steps
        pieces: dict[str, tuple[int, ...]] = {"upsample": (steps, shape.dim)}
        pieces |= upward_pieces(shape.dim, shape.kernel, shape.width, shape.ratios, steps)
        latent = graph.input("latent", ["batch", shape.latent])
        build = Build(graph, pieces, tensors, shape.ring, prefix=PREFIX, nested=False)
        widen = build.tensors("quantizer.output_proj.weight", shape.dim, shape.latent, 1)
        x = upsample(
            build, graph.linear(latent, widen[:, :, 0].T), "upsample.convtr.convtr", shape.dim
        )
        x = transformer(build, "decoder_transformer", x, gelu="tanh")
        x = upward(build, x, shape.dim, shape.kernel, shape.width, shape.ratios, steps)
        graph.output(x, "pcm", ["batch", 1, shape.samples])
        build.finish()
