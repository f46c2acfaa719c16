"""A language model of Moshi's shape in ONNX Runtime: one frame of codes in, one out.

Streams of tokens are delayed against each other as in Kyutai's package moshi: frame t is heard in
step t, and the first codebook that depends on it is in the output of step t + 1 (160 ms). A
conversation's first frame is not heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.cache import Tell, silent
from pipelines.clock import Clock, monotonic_ns
from pipelines.duplex.moshi.onnx.cached import ensure
from pipelines.duplex.moshi.onnx.graphs.lm_checkpoint import LmCheckpoint, LmShape, lm_shape
from pipelines.duplex.moshi.onnx.graphs.lm_graph import write_depth, write_temporal
from pipelines.duplex.moshi.onnx.past import Past, scales_of
from pipelines.duplex.moshi.onnx.runtime import open_graph
from pipelines.duplex.session.model import Span
from pipelines.weights.safetensors import Reader

F32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]
"""(codebooks,) of one frame."""


class OnnxLm:
    """The two graphs, loaded; serves any number of conversations, each from one thread."""

    def __init__(
        self,
        path: Path,
        config: dict[str, Any],
        where: str,
        *,
        precision: str = "q4",
        threads: int = 1,
        tell: Tell = silent,
    ) -> None:
        """Loads them, written into the cache first where they are missing.

        Args:
            path: The checkpoint: torch's, or moshi_mlx's in 4 or 8 bits.
            config: Its checked ``config.json``.
            where: Path of that, for a sentence.
            precision: ``f32``, ``q8`` or ``q4``.
            threads: Of ONNX Runtime.
            tell: Takes the progress of the writing.

        Raises:
            LabError: the checkpoint is damaged, of another shape or kind, or the cache can't be
                written.
        """
        self.shape = lm_shape(config, where)
        folder, _ = written(path, self.shape, precision, tell)
        self.temporal = open_graph(folder / "temporal.onnx", threads)
        self.depth = open_graph(folder / "depth.onnx", threads) if self.shape.own else None
        self.scales: F32 | None = None if precision == "f32" else self._first_scales()
        """Of the keys and values of a conversation's first step; None in f32."""

    def past(self) -> Past:
        """That of a new conversation."""
        shape = self.shape
        width = shape.dim // shape.heads
        return Past(shape.layers, shape.heads, shape.context, width, self.scales)

    def _first_scales(self) -> F32:
        """From a first step, whose tokens are the same in every conversation; computed again with
        what it gave, as it sees its own values, which were rounded by no one's scales.
        """
        shape = self.shape
        size = (shape.layers, 2, shape.heads, 1, shape.dim // shape.heads)
        self.scales = np.ones(size, np.float32)
        for _ in range(2):
            first = _Bound(self.temporal, self.past().arrays())
            first.given["tokens"][...] = shape.first_tokens
            first.given["length"][...] = 1
            first.run()
            self.scales = scales_of(first.said["fresh"])
        return self.scales


def written(
    path: Path, shape: LmShape, precision: str, tell: Tell = silent
) -> tuple[Path, dict[str, Any]]:
    """The folder of the graphs, written first where it is missing, and its facts.

    Raises:
        LabError: as `OnnxLm`.
    """

    def write(folder: Path, reader: Reader) -> dict[str, Any]:
        weights = LmCheckpoint(reader, shape, precision)
        write_temporal(folder / "temporal.onnx", weights)
        if shape.own:
            write_depth(folder / "depth.onnx", weights)
        return {}

    tables = 4.0 * (shape.text_card + shape.codebooks * shape.card) * shape.dim
    return ensure(path, f"lm-{precision}", write, tables + 2.2 * path_bytes(path), tell)


def path_bytes(path: Path) -> int:
    """Bytes of a file; 0 if it can't be read, which its reader reports."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class LmStep:
    """The output of one frame."""

    text: int | None
    """Text token, of the step before where codes are delayed; None in the first step then."""
    codes: Codes | None
    """(own codebooks,) of the frame of speech that is now whole; None where there is no text."""
    temporal: Span
    """Work of the temporal transformer."""
    depth: Span
    """Work of the depth transformer."""


class LmConversation:
    """The state of one conversation: the last tokens, and the transformer's keys and values.

    Two with the same seed and input say the same.
    """

    def __init__(
        self,
        lm: OnnxLm,
        seed: int = 0,
        *,
        temperature: float = 0.8,
        text_temperature: float = 0.7,
        clock: Clock = monotonic_ns,
    ) -> None:
        """Begins.

        Args:
            lm: The graphs.
            seed: Of the sampling.
            temperature: Of the codes; 0: greedy.
            text_temperature: Of the text; 0: greedy.
            clock: Stamps the two parts of a step.
        """
        shape = lm.shape
        self._shape, self._clock = shape, clock
        self._random = np.random.default_rng(seed)
        self._greedy = temperature <= 0, text_temperature <= 0
        self._steps = 0
        self._delays = np.array(shape.delays)
        self._slots = int(self._delays.max()) + 2
        self._initial = np.array(shape.first_tokens)
        self._tokens = np.zeros((1 + shape.codebooks, self._slots), np.int64)
        self._past = lm.past()
        self._temporal = _Bound(lm.temporal, self._past.arrays())
        self._depth = _Bound(lm.depth) if lm.depth else None
        self._temporal.given["text_scale"][...] = (
            1 / text_temperature if text_temperature > 0 else 1
        )
        if self._depth is not None:
            self._depth.given["scale"][...] = 1 / temperature if temperature > 0 else 1

    @property
    def steps(self) -> int:
        """Number of steps so far."""
        return self._steps

    @property
    def state_bytes(self) -> int:
        """Bytes of keys and values, which only become memory as they are used; constant."""
        return self._past.entries.nbytes

    def condition(self, vector: npt.NDArray[np.float32] | None) -> None:
        """Adds a vector (dim,) to the summed embedding of all steps from now on; None: no more."""
        self._temporal.given["condition"][...] = 0.0 if vector is None else vector

    def step(self, heard: Codes, forced: int | None = None) -> LmStep:
        """Hears a frame, and says one.

        Args:
            heard: The user's codes (codebooks - own,).
            forced: Text token to say in place of the model's own.

        Raises:
            ValueError: the context is full, or the codes have another shape.
        """
        shape, at = self._shape, self._steps
        if at >= shape.context:
            raise ValueError(f"the context of {shape.context} steps is full")
        began = self._clock()
        users = np.arange(1 + shape.own, 1 + shape.codebooks)
        self._tokens[users, (at + self._delays[users]) % self._slots] = heard
        temporal, depth = self._temporal, self._depth
        is_first = at <= self._delays
        temporal.given["tokens"][...] = np.where(
            is_first, self._initial, self._tokens[:, at % self._slots]
        )
        temporal.given["position"][...] = at
        temporal.given["length"][...] = at + 1
        self._draw(temporal.given["text_noise"], self._greedy[1])
        temporal.run()
        if (fresh := temporal.said.get("fresh")) is not None:
            self._past.fit(fresh, at)
        if forced is not None:
            temporal.said["text"][...] = forced
        told = self._clock()
        next_slot = (at + 1) % self._slots
        self._tokens[0, next_slot] = temporal.said["text"][0]
        if depth is not None:
            depth.given["text"][...] = temporal.said["text"]
            depth.given["hidden"][...] = temporal.said["hidden"]
            self._draw(depth.given["noise"], self._greedy[0])
            depth.run()
            self._tokens[1 : 1 + shape.own, next_slot] = depth.said["codes"]
        self._steps = at + 1
        done = self._clock()
        spans = (began, told), (told, done)
        most = int(self._delays.max())
        if self._steps <= most:
            return LmStep(None, None, *spans)
        own = np.arange(1 + shape.own)
        out = self._tokens[own, (self._steps - most + self._delays[own]) % self._slots]
        return LmStep(int(out[0]), out[1:].copy(), *spans)

    def _draw(self, noise: npt.NDArray[np.float32], is_greedy: bool) -> None:
        """Gumbel noise, in place."""
        if is_greedy:
            return
        waits = self._random.standard_exponential(noise.shape, np.float32)
        np.maximum(waits, np.float32(1e-20), out=waits)
        np.log(waits, out=waits)
        np.negative(waits, out=noise)


class _Bound:
    """A graph with arrays of its own for its inputs and outputs: a call passes nothing."""

    def __init__(self, session: Any, held: dict[str, npt.NDArray[Any]] | None = None) -> None:
        """Makes and binds them.

        Args:
            session: The graph.
            held: Name of an input → the array that it reads, and that an output ``next_…`` of that
                name writes.
        """
        self._session, self._binding = session, session.io_binding()
        self.given: dict[str, npt.NDArray[Any]] = dict(held or {})
        self.said: dict[str, npt.NDArray[Any]] = {}
        self._values: dict[str, Any] = {}  # their memory is the arrays'
        for node in session.get_inputs():
            array = self.given.setdefault(node.name, _zeros(node))
            self._values[node.name] = value = _value_of(array)
            self._binding.bind_ortvalue_input(node.name, value)
        for node in session.get_outputs():
            value = self._values.get(node.name.removeprefix("next_"))
            if value is None:
                self.said[node.name] = array = _zeros(node)
                self._values[node.name] = value = _value_of(array)
            self._binding.bind_ortvalue_output(node.name, value)

    def run(self) -> None:
        """One call."""
        self._session.run_with_iobinding(self._binding)


_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(int8)": np.int8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


def _zeros(node: Any) -> npt.NDArray[Any]:
    """An array for an input or output; becomes memory as it is used."""
    return np.zeros(node.shape, _DTYPES[node.type])


def _value_of(array: npt.NDArray[Any]) -> Any:
    """An array as ONNX Runtime's value, in the same memory."""
    import onnxruntime

    value = onnxruntime.OrtValue.ortvalue_from_numpy(array)
    assert value.data_ptr() == array.ctypes.data, "onnxruntime copied an array"
    return value
