"""`MoshiTorch`: Kyutai's package moshi on CUDA (with its CUDA graphs) or on the CPU.

Runs in the engine environment ``moshi-torch``; moshi 0.2.13 pins an older torch, and works with
2.13. Worth knowing: frame t is read at step t, and the first codebook that depends on it is in the
output of step t + 1 (160 ms); a session's first frame is ignored; no context ends by itself, so the
end at ``context`` steps, beyond which the model was never trained, is ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.duplex.moshi.torch_batch import LockStep
from pipelines.duplex.moshi.weights.check import check_config, check_lm, check_mimi, tensor_bytes
from pipelines.duplex.moshi.weights.files import read_config
from pipelines.duplex.session.model import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    Advance,
    Capabilities,
    ContextEndError,
    DuplexSession,
    Pcm,
    Step,
)
from pipelines.duplex.session.text_tokens import TextStream, Vocabulary
from pipelines.process.engine import EngineError
from pipelines.weights.memory import need_memory
from pipelines.weights.moshi_torch_core import (
    Files,
    TorchCore,
    cuda_free_bytes,
    load_models,
    set_up_torch,
)

DTYPES = {"bf16": "bfloat16", "f32": "float32"}
DEADLINE_S = 0.040
"""Longest wait of a step for late sessions of a batch; half a frame."""


class MoshiTorch:
    """One model; up to ``batch`` sessions at once.

    With ``batch`` = 1 a session's stages can be overlapped. With more, sessions are stepped in
    lock-step, each from a thread of its own: a step waits until all open sessions have given their
    frame, at most `DEADLINE_S`; an absent session keeps its state in that step (it is masked), and
    so says the same, later, as if it were alone. With sampling, the sessions of a batch share one
    stream of random numbers: only greedy ones can be repeated sample by sample.
    """

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES
    capabilities = Capabilities(text_stream=True, forced_text=True)

    def __init__(
        self,
        *,
        config: str,
        lm: str,
        mimi: str,
        tokenizer: str,
        precision: str = "bf16",
        temperature: float = 0.8,
        text_temperature: float = 0.7,
        threads: int = 1,
        device: str = "auto",
        batch: int = 1,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Describes the model.

        Args:
            config: Path of ``config.json``.
            lm: Path of the language model's safetensors.
            mimi: Path of the codec's.
            tokenizer: Path of the sentencepiece model.
            precision: ``bf16`` or ``f32``.
            temperature: Temperature of the audio tokens; 0: greedy.
            text_temperature: Temperature of the text tokens; 0: greedy.
            threads: Number of CPU threads.
            device: ``auto`` (CUDA where there is a GPU), ``cuda``, ``cuda:1`` or ``cpu``.
            batch: Number of sessions that can be open at once.
            deadline_s: As `DEADLINE_S`.
        """
        self._files = Files(Path(config), Path(lm), Path(mimi), Path(tokenizer))
        self._precision = precision
        self._temperatures = {"temperature": temperature, "text_temperature": text_temperature}
        self._threads = threads
        self._device = device
        self._batch = batch
        self._deadline_s = deadline_s
        self._core: TorchCore | None = None
        self._vocabulary: Any = None
        self._context = 0
        self._rows: LockStep[_Given, Step] | None = None
        self._busy = False
        self.capabilities = Capabilities(text_stream=True, forced_text=True, batch=batch)

    def load(self) -> None:
        """Checks the files and the memory, loads, and begins to stream."""
        if self._precision not in DTYPES:
            raise EngineError(
                f"[model] precision = {self._precision!r} is not for backend = 'torch': "
                f"use {' or '.join(DTYPES)}, or backend = 'mlx'"
            )
        files = self._files
        config = read_config(files.config)
        check_config(config, files.config)
        check_lm(files.lm, config, self._precision)
        check_mimi(files.mimi)
        device = set_up_torch(self._threads, self._device)
        self._need_memory(device, config)
        self._vocabulary = Vocabulary(files.tokenizer, int(config["text_card"]))
        mimi, lm, generation = load_models(files, device=device, dtype=DTYPES[self._precision])
        self._context = int(config["context"])
        self._core = TorchCore(
            mimi,
            lm,
            device=device,
            batch=self._batch,
            threads=self._threads,
            generation=generation,
            **self._temperatures,
        )
        if self._batch > 1:
            self._rows = LockStep(self._batch, self._work, deadline_s=self._deadline_s)

    @contextlib.contextmanager
    def open(self, seed: int = 0) -> Iterator[DuplexSession]:
        """A fresh session.

        Raises:
            EngineError: ``batch`` sessions are open.
        """
        core = self._loaded
        if self._rows is not None:
            row = self._rows.join(core.reset)
            try:
                yield _BatchSession(self, self._rows, row)
            finally:
                self._rows.leave(row)
            return
        if self._busy:
            raise EngineError("a session of this model is open: end it, or load it with batch = 2")
        self._busy = True
        try:
            core.reset()
            core.seed(seed)
            yield TorchSession(self, core)
        finally:
            self._busy = False

    # for the sessions

    def text_stream(self) -> TextStream:
        """Per session: its text, and the texts it is forced to say."""
        return TextStream(self._vocabulary)

    @property
    def context(self) -> int:
        """Steps of a session."""
        return self._context

    @property
    def _loaded(self) -> TorchCore:
        assert self._core is not None, "load() comes first"
        return self._core

    def _work(self, given: Mapping[int, _Given]) -> dict[int, Step]:
        """One step of the model for the rows that are present; they decode their own text."""
        core = self._loaded
        pcm = np.zeros((core.batch, FRAME_SAMPLES), np.float32)
        for row, (frame, _) in given.items():
            pcm[row] = frame
        present = [row in given for row in range(core.batch)]
        forced = {row: token for row, (_, token) in given.items() if token is not None}
        codes, rows = core.advance(core.encode(pcm, present), present, forced)
        speaking = [there and row is not None for there, row in zip(present, rows, strict=True)]
        said = core.decode(codes, speaking) if any(speaking) else pcm
        steps = {}
        for row in given:
            ids = rows[row]
            speech = said[row].copy() if ids is not None else None
            steps[row] = Step(speech, ids=tuple(ids or ()))
        return steps

    def _need_memory(self, device: Any, config: Mapping[str, Any]) -> None:
        """Raises an `EngineError` if weights and caches can't fit; before anything is loaded."""
        wide = 2 if self._precision == "f32" else 1  # the file holds bf16
        keys = 2 * int(config["context"]) * int(config["num_layers"]) * int(config["dim"]) * 2
        needed = wide * (tensor_bytes(self._files.lm) + self._batch * keys)
        needed += tensor_bytes(self._files.mimi)
        what = f"Loading {self._files.lm.name} in {self._precision} for {self._batch} session(s)"
        mend = "close other programs, or choose a smaller size or batch"
        if device.type == "cpu":
            need_memory(needed + 0.5e9, what, mend)
        elif needed > (free := cuda_free_bytes(device)):
            raise EngineError(
                f"{what} needs {needed / 1e9:.1f} GB and {device} has {free / 1e9:.1f} GB free: "
                f"{mend}"
            )


_Given = tuple[Pcm, int | None]
"""A row's frame, and the text token that it must say."""


class _Session:
    """The common part of both kinds: the context's end, and forced texts, one token a step.

    The token that comes out of a step was sampled in the step before.
    """

    def __init__(self, model: MoshiTorch) -> None:
        self._context = model.context
        self._text = model.text_stream()
        self._steps = 0
        self._forced_before = False

    def say(self, text: str) -> None:
        """See `pipelines.duplex.session.model.DuplexSession`."""
        self._text.queue(text)

    def _begin_step(self) -> tuple[int | None, bool]:
        """The token to force in this step, and True if the one that comes out of it was forced.

        Raises:
            ContextEndError: the session has had all its steps.
        """
        if self._steps >= self._context:
            raise ContextEndError(f"the context of {self._context} steps is full")
        self._steps += 1
        token = self._text.take()
        before, self._forced_before = self._forced_before, token is not None
        return token, before


class TorchSession(_Session):
    """A session alone on its model; see `pipelines.duplex.session.model.StagedSession`."""

    def __init__(self, model: MoshiTorch, core: TorchCore) -> None:
        super().__init__(model)
        self._core = core

    def encode(self, pcm: Pcm) -> Any:
        """The user's frame as codes (1, 8, 1)."""
        return self._core.encode(pcm[None])

    def advance(self, codes: Any) -> Advance:
        """One step of the language model."""
        token, was_forced = self._begin_step()
        spoken, rows = self._core.advance(codes, forced={} if token is None else {0: token})
        ids = rows[0]
        if ids is None:
            return Advance(None)
        return Advance(spoken, self._text.text(ids[0]), tuple(ids), was_forced)

    def decode(self, codes: Any) -> Pcm:
        """The model's codes (1, 8, 1) as a frame of speech."""
        frame: Pcm = self._core.decode(codes)[0]
        return frame

    def step(self, pcm: Pcm) -> Step:
        """The three stages, one after the other."""
        said = self.advance(self.encode(pcm))
        speech = None if said.codes is None else self.decode(said.codes)
        return Step(speech, said.text, said.ids, forced=said.forced)


class _BatchSession(_Session):
    """A row of a batch; see `pipelines.duplex.session.model.DuplexSession`."""

    def __init__(self, model: MoshiTorch, rows: LockStep[_Given, Step], row: int) -> None:
        super().__init__(model)
        self._rows = rows
        self._row = row

    def step(self, pcm: Pcm) -> Step:
        """Waits for the others of the batch, at most `DEADLINE_S`, and for the work."""
        token, was_forced = self._begin_step()
        step = self._rows.step(self._row, (pcm, token))
        text = self._text.text(step.ids[0]) if step.ids else ""
        return Step(step.pcm, text, step.ids, forced=was_forced)
