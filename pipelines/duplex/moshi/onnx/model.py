"""`MoshiOnnx`: Moshi and Mimi in ONNX Runtime, on the CPU, in our own Python.

Streams are delayed as in Kyutai's package moshi: 160 ms, and a session's first frame is not heard.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.moshi.onnx import instructions
from pipelines.duplex.moshi.onnx import lm as lm_files
from pipelines.duplex.moshi.onnx import mimi as mimi_files
from pipelines.duplex.moshi.onnx.graphs.lm_checkpoint import LmCheckpoint, lm_shape
from pipelines.duplex.moshi.onnx.lm import LmConversation, OnnxLm, path_bytes
from pipelines.duplex.moshi.onnx.mimi import MimiOnnx
from pipelines.duplex.moshi.onnx_row import CODEBOOKS, PRECISIONS, check_file
from pipelines.duplex.moshi.weights.check import check_config
from pipelines.duplex.moshi.weights.files import read_config
from pipelines.duplex.session.model import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Advance,
    Capabilities,
    ContextEndError,
    Pcm,
    Step,
)
from pipelines.duplex.session.text_tokens import TextStream, Vocabulary
from pipelines.process.engine import EngineError
from pipelines.weights.memory import need_memory
from pipelines.weights.safetensors import Reader, read_header

Codes = npt.NDArray[np.uint32]
"""(1, 8, 1): batch, codebook, frame."""


class MoshiOnnx:
    """A `DuplexModel`; its sessions share the weights and nothing else."""

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES
    capabilities = Capabilities(text_stream=True, forced_text=True, sum_condition=True)

    def __init__(
        self,
        *,
        config: str,
        lm: str,
        mimi: str,
        tokenizer: str,
        precision: str = "q4",
        temperature: float = 0.8,
        text_temperature: float = 0.7,
        threads: int = 1,
    ) -> None:
        """Describes the model; nothing is loaded yet.

        Args:
            config: Path of ``config.json``.
            lm: Path of the language model: torch's checkpoint, or moshi_mlx's file.
            mimi: Path of the codec.
            tokenizer: Path of the text tokenizer.
            precision: Of the language model's matrices: ``q4``, ``q8`` or ``f32``.
            temperature: Temperature of the audio tokens; 0 is greedy.
            text_temperature: Temperature of the text tokens; 0 is greedy.
            threads: Of the language model; the codec has one.
        """
        self._config_path, self._lm_path = Path(config), Path(lm)
        self._mimi_path, self._tokenizer_path = Path(mimi), Path(tokenizer)
        self._precision, self._threads = precision, threads
        self.temperature, self.text_temperature = temperature, text_temperature
        self.max_steps = 0

    def load(self) -> None:
        """See `DuplexModel.load`."""
        if self._precision not in PRECISIONS:
            raise EngineError(
                f"[model] precision = {self._precision!r} is not for backend = 'onnx': use "
                f"{', '.join(PRECISIONS)}, or backend = 'mlx'"
            )
        if self._precision != "f32" and (instruction := instructions.lacks()):
            raise EngineError(
                f"this processor lacks {instruction.upper()}, without which products in "
                f"{self._precision} are slower than in f32: set [model] precision = 'f32'"
            )
        config = read_config(self._config_path)
        check_config(config, self._config_path)
        check_file(self._lm_path, config, self._precision)
        self._need_memory(config)
        self.vocabulary = Vocabulary(self._tokenizer_path, int(config["text_card"]))
        self.mimi = MimiOnnx(self._mimi_path, CODEBOOKS)
        self.lm = OnnxLm(
            self._lm_path,
            config,
            str(self._config_path),
            precision=self._precision,
            threads=self._threads,
        )
        self.max_steps = self.lm.shape.context

    @contextlib.contextmanager
    def open(self, seed: int = 0) -> Iterator[MoshiOnnxSession]:
        """See `DuplexModel.open`."""
        yield MoshiOnnxSession(self, seed)

    def embedding(self, text: str) -> npt.NDArray[np.float32]:
        """The mean of the text's tokens' embeddings (dim,), read from the weights."""
        shape = self.lm.shape
        weights = LmCheckpoint(Reader(self._lm_path), shape, "f32")
        table = weights.table("text_emb", shape.text_card + 1, shape.dim)
        mean: npt.NDArray[np.float32] = table[self.vocabulary.encode(text)].mean(axis=0)
        return mean

    def _need_memory(self, config: dict[str, Any]) -> None:
        """Bytes of the weights as they are kept, the codec, keys and values, and the libraries."""
        held = read_header(self._lm_path).values()
        parameters = sum(prod(t.shape) * (8 if t.dtype == "U32" else 1) for t in held)
        share = {"q4": 0.75, "q8": 1.25, "f32": 4.0}[self._precision]
        keys = (
            (8.0 if self._precision == "f32" else 2.0)
            * int(config["context"])
            * int(config["num_layers"])
            * int(config["dim"])
        )
        need_memory(
            share * parameters + keys + path_bytes(self._mimi_path) + 300e6,
            f"Loading {self._lm_path.name} in {self._precision}",
            "close other programs, or choose a smaller size or precision q4",
        )


class MoshiOnnxSession:
    """A `StagedSession`; made by `MoshiOnnx.open` without any state of another."""

    def __init__(self, model: MoshiOnnx, seed: int) -> None:
        self._encoder = self._decoder = model.mimi.another()
        self._text = TextStream(model.vocabulary)
        self._most = model.max_steps
        self._forced_before = False
        self._model = model
        self._next_condition: tuple[npt.NDArray[np.float32] | None] | None = None
        """A condition that has been read, for the next step."""
        self._lm = LmConversation(
            model.lm,
            seed,
            temperature=model.temperature,
            text_temperature=model.text_temperature,
        )

    def say(self, text: str) -> None:
        """See `DuplexSession.say`."""
        self._text.queue(text)

    def condition_on(self, text: str) -> None:
        """See `ConditionedSession.condition_on`: the mean of its tokens' embeddings.

        The table of a large model takes a second to read, on a thread of its own.
        """

        def read() -> None:
            vector = self._model.embedding(text) if text else None
            self._next_condition = (vector,)

        threading.Thread(target=read, name="condition", daemon=True).start()

    def condition(self, vector: npt.NDArray[np.float32] | None) -> None:
        """Adds a vector (dim,) to the summed embedding of all steps from now on; None: no more.

        Moshi itself was never trained with one.
        """
        self._lm.condition(vector)

    def step(self, pcm: Pcm) -> Step:
        """See `DuplexSession.step`."""
        advance = self.advance(self.encode(pcm))
        said = None if advance.codes is None else self.decode(advance.codes)
        return Step(said, advance.text, advance.ids, forced=advance.forced)

    def encode(self, pcm: Pcm) -> Codes:
        """See `StagedSession.encode`."""
        return self._encoder.encode_step(np.ascontiguousarray(pcm, np.float32)[None, None])

    def advance(self, codes: Codes) -> Advance:
        """See `StagedSession.advance`."""
        if self._lm.steps >= self._most:
            raise ContextEndError(f"the context of {self._most} steps is full")
        if self._next_condition is not None:
            (vector,), self._next_condition = self._next_condition, None
            self.condition(vector)
        token = self._text.take()
        was_forced, self._forced_before = self._forced_before, token is not None
        done = self._lm.step(codes[0, :, 0].astype(np.int64), token)
        if done.text is None or done.codes is None:
            return Advance(None, depth_start_ns=done.depth[0])
        ids = (done.text, *(int(code) for code in done.codes))
        said = done.codes[None, :CODEBOOKS, None].astype(np.uint32)
        return Advance(said, self._text.text(done.text), ids, was_forced, done.depth[0])

    def decode(self, codes: Codes) -> Pcm:
        """See `StagedSession.decode`."""
        pcm: Pcm = self._decoder.decode_step(codes)[0, 0]
        return pcm


def write_graphs(paths: dict[str, str], precision: str, tell: Callable[[str], None]) -> None:
    """Writes the graphs of a model's files, unless they lie in the cache.

    Args:
        paths: Of ``config``, ``lm`` and ``mimi``.
        precision: One of `PRECISIONS`.
        tell: Takes lines that report progress.

    Raises:
        WeightsError: a file is damaged, another model's, or quantised otherwise.
    """
    config = read_config(Path(paths["config"]))
    check_config(config, Path(paths["config"]))
    check_file(Path(paths["lm"]), config, precision)
    mimi_files.written(Path(paths["mimi"]), CODEBOOKS, "auto", tell)
    shape = lm_shape(config, paths["config"])
    lm_files.written(Path(paths["lm"]), shape, precision, tell)


def codec_graphs(mimi: str) -> list[tuple[str, Path]]:
    """The codec's graphs: ``encoder in 8 bits``, as the probe of this machine chose, and the file.

    Args:
        mimi: Path of the codec's weights.
    """
    folder, facts = mimi_files.written(Path(mimi), CODEBOOKS, "auto")
    return [
        (f"{half} in {facts[half]['bits']} bits", folder / f"{half}.onnx")
        for half in ("encoder", "decoder")
    ]
