"""Moshi by the package moshi_mlx: Metal on Apple Silicon, the CPU on Linux; Mimi by rustymimi.

Runs in the engine environment ``moshi-mlx``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.clock import monotonic_ns
from pipelines.duplex.moshi.mimi_rust import FreshCodecs
from pipelines.duplex.moshi.weights.check import check_config, check_lm, check_mimi, tensor_bytes
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
from pipelines.weights.error import WeightsError
from pipelines.weights.memory import need_memory
from pipelines.weights.sizes import BITS, GROUP_SIZE

Codes = npt.NDArray[np.uint32]
"""(1, 8, 1): batch, codebook, frame."""

TOP_K_TEXT = 25
TOP_K_AUDIO = 250
"""Number of tokens that sampling chooses among, as in moshi_mlx's own inference script."""


class MoshiMlx:
    """A `DuplexModel`."""

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
        max_steps: int = 0,
    ) -> None:
        """Describes the model; nothing is loaded yet.

        Args:
            config: Path of ``config.json``.
            lm: Path of the language model.
            mimi: Path of the codec.
            tokenizer: Path of the text tokenizer.
            precision: ``f32``, ``bf16``, ``q8`` or ``q4``.
            temperature: Temperature of the audio tokens; 0 is greedy.
            text_temperature: Temperature of the text tokens; 0 is greedy.
            threads: Of the language model's f32 products on a CPU; mlx has one for the rest.
            max_steps: Number of frames of a session; 0: the model's context (3000 = 240 s).
        """
        self._config_path, self._lm_path = Path(config), Path(lm)
        self._mimi_path, self._tokenizer_path = Path(mimi), Path(tokenizer)
        self.precision = precision
        self.temperature, self.text_temperature = temperature, text_temperature
        self._threads = threads
        self.max_steps = max_steps
        self.codecs = FreshCodecs(self._mimi_path)
        self._is_open = False

    def load(self) -> None:
        """See `DuplexModel.load`."""
        config = read_config(self._config_path)
        check_config(config, self._config_path)
        is_torch = check_lm(self._lm_path, config, self.precision)
        check_mimi(self._mimi_path)
        self._check_memory(config)
        os.environ["OPENBLAS_NUM_THREADS"] = str(self._threads)  # read as mlx is imported
        self.vocabulary = Vocabulary(self._tokenizer_path, int(config["text_card"]))
        self.codecs.make()
        self.lm = self._load_lm(config, is_torch)
        self.max_steps = self.max_steps or int(config["context"])

    @contextmanager
    def open(self, seed: int = 0) -> Iterator[MoshiMlxSession]:
        """See `DuplexModel.open`; one session at a time."""
        if self._is_open:
            raise EngineError("moshi_mlx has one session at a time: end the other first")
        session = MoshiMlxSession(self, seed)
        self._is_open = True
        try:
            yield session
        finally:
            session.close()
            self._is_open = False
            self.codecs.make_soon()

    def _check_memory(self, config: dict[str, Any]) -> None:
        """Bytes of the weights, both codecs, the context's keys and values, and the libraries."""
        wide = 2 if self.precision == "f32" else 1
        keys = 2 * int(config["context"]) * int(config["num_layers"]) * int(config["dim"])
        needed: float = wide * tensor_bytes(self._lm_path) + 2 * tensor_bytes(self._mimi_path)
        needed += keys * (2 if self.precision == "bf16" else 4) + 300e6
        need_memory(
            needed,
            f"Loading {self._lm_path.name} in {self.precision}",
            "close other programs, or choose a smaller size or precision q4",
        )

    def _load_lm(self, config: dict[str, Any], is_torch: bool) -> Any:
        import mlx.core as mx
        import mlx.nn as nn
        from moshi_mlx.models import Lm, LmConfig

        if platform.system() != "Darwin":
            mx.set_default_device(mx.cpu)
        lm_config = LmConfig.from_config_dict(config)
        model = Lm(lm_config)
        model.set_dtype(mx.float32 if self.precision == "f32" else mx.bfloat16)
        bits = BITS.get(self.precision)
        if bits:
            nn.quantize(model, bits=bits, group_size=GROUP_SIZE[self.precision])
        try:
            if is_torch:
                model.load_pytorch_weights(str(self._lm_path), lm_config, strict=True)
            else:
                model.load_weights(str(self._lm_path), strict=True)
        except (ValueError, KeyError, RuntimeError) as error:
            raise WeightsError(
                f"{self._lm_path} does not fit config.json ({error}): fetch or make it again"
            ) from error
        # mlx's quantised products on a CPU are ten times slower with bf16 scales.
        if self.precision == "f32" or (bits and mx.default_device() == mx.cpu):
            model.set_dtype(mx.float32)
        mx.eval(model.parameters())
        return model


class MoshiMlxSession:
    """A `StagedSession`. `MoshiMlx.open` makes it, without any state of the last one."""

    def __init__(self, model: MoshiMlx, seed: int) -> None:
        import mlx.core as mx
        from moshi_mlx import models, utils

        self._mx = mx
        self._encoder, self._decoder = model.codecs.take()
        for cache in model.lm.transformer_cache:
            cache.reset()
        mx.random.seed(seed)
        self._text = TextStream(model.vocabulary)
        self._max_steps = model.max_steps
        self._forced = False
        self._gen = models.LmGen(
            model=model.lm,
            max_steps=model.max_steps,
            text_sampler=utils.Sampler(temp=model.text_temperature, top_k=TOP_K_TEXT),
            audio_sampler=utils.Sampler(temp=model.temperature, top_k=TOP_K_AUDIO),
            on_text_hook=self._force,
        )

    def close(self) -> None:
        """Releases the codecs: the hook makes a cycle, so the garbage collector would be late."""
        del self._encoder, self._decoder, self._gen

    def say(self, text: str) -> None:
        """See `DuplexSession.say`."""
        self._text.queue(text)

    def step(self, pcm: Pcm) -> Step:
        """See `DuplexSession.step`."""
        clock = monotonic_ns
        began = clock()
        codes = self.encode(pcm)
        encoded = clock()
        advance = self.advance(codes)
        stepped = clock()
        spans = {"encode": (began, encoded), "step": (encoded, stepped)}
        if advance.codes is None:
            return Step(None, advance.text, advance.ids, spans, advance.forced)
        said = self.decode(advance.codes)
        spans["decode"] = (stepped, clock())
        return Step(said, advance.text, advance.ids, spans, advance.forced)

    def encode(self, pcm: Pcm) -> Codes:
        """See `StagedSession.encode`."""
        frame = np.ascontiguousarray(pcm, np.float32)[None, None]
        codes: Codes = self._encoder.encode_step(frame)
        return codes

    def advance(self, codes: Codes) -> Advance:
        """See `StagedSession.advance`."""
        if self._gen.step_idx >= self._max_steps:
            raise ContextEndError(f"the context of {self._max_steps} steps is full")
        mx = self._mx
        token = self._gen.step(mx.array(codes[:, :, 0].astype(np.int32)))[0]
        said = self._gen.last_audio_tokens()
        text_id = int(token.item())
        if said is None:
            return Advance(None, self._text.text(text_id), (text_id,), self._forced)
        out: Codes = np.array(said).astype(np.uint32)[:, :, None]
        ids = (text_id, *(int(code) for code in out[0, :, 0]))
        return Advance(out, self._text.text(text_id), ids, self._forced)

    def decode(self, codes: Codes) -> Pcm:
        """See `StagedSession.decode`."""
        pcm: Pcm = np.asarray(self._decoder.decode_step(codes), np.float32).reshape(-1)
        return pcm

    def _force(self, token: Any) -> None:
        """Runs between the text and the audio tokens of a step; changes the former in place."""
        forced = self._text.take()
        self._forced = forced is not None
        if forced is not None:
            token[0, 0] = forced
