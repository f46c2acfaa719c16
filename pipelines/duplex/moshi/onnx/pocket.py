"""`PocketDecoder`: the decoder of Pocket TTS's codec in ONNX Runtime, frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cache import Tell, silent
from pipelines.duplex.moshi.onnx.cached import ensure
from pipelines.duplex.moshi.onnx.graphs.pocket_graph import shape_of, write_pocket
from pipelines.duplex.moshi.onnx.runtime import StreamingGraph, open_graph
from pipelines.weights.safetensors import Reader

_BYTES = 200e6
"""Size of the graph with its weights, at most."""
F32 = npt.NDArray[np.float32]


class PocketDecoder:
    """The weights, which any number of utterances share."""

    def __init__(
        self,
        path: Path,
        *,
        heads: int,
        context: int,
        threads: int = 1,
        tell: Tell = silent,
    ) -> None:
        """Loads the codec of a checkpoint; the first time its graph is written into the cache.

        Args:
            path: Pocket TTS's ``model.safetensors``.
            heads: Of the decoder's transformer.
            context: Steps that it sees.
            threads: Of ONNX Runtime.
            tell: Takes the progress of the writing.

        Raises:
            LabError: the file is missing, damaged or of another shape, or the cache can't be
                written; one sentence that says what to do.
        """

        def write(folder: Path, reader: Reader) -> dict[str, Any]:
            shape = shape_of(reader, heads, context)
            write_pocket(folder / "decoder.onnx", reader, shape)
            return {"latent": shape.latent, "samples": shape.samples, "steps": shape.ring.steps}

        folder, facts = ensure(path, f"pocket-{heads}-{context}", write, _BYTES, tell)
        self._session = open_graph(folder / "decoder.onnx", threads)
        self.latent, self.samples = int(facts["latent"]), int(facts["samples"])
        self._steps = int(facts["steps"])

    def open(self) -> PocketStream:
        """The state of a new utterance."""
        return PocketStream(
            StreamingGraph(self._session, ("pcm",), self._steps), self.latent, self.samples
        )


class PocketStream:
    """One utterance; not for two threads at once."""

    def __init__(self, graph: StreamingGraph, latent: int, samples: int) -> None:
        """See `PocketDecoder.open`."""
        self._graph, self._latent, self._samples = graph, latent, samples

    def decode(self, latents: F32) -> F32:
        """The next frames: (frames, latent) → (frames · samples,).

        Raises:
            ValueError: the latents have another shape.
        """
        if latents.ndim != 2 or latents.shape[1] != self._latent:
            raise ValueError(
                f"latents have the shape {latents.shape}, and should have (frames, {self._latent})"
            )
        said = np.empty((len(latents), self._samples), np.float32)
        for row, frame in zip(said, np.ascontiguousarray(latents, np.float32), strict=True):
            row[:] = self._graph({"latent": frame[None]})[0].reshape(-1)
        return said.reshape(-1)
