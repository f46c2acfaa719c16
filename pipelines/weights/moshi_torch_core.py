"""The package moshi (torch), driven step by step for a batch of rows: loading, tensors, masks.

Batch rows are independent: a row that is absent from a step is masked (`set_exec_mask` of the
package), so its state stays as it is, and it goes on later without a difference.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.process.engine import EngineError

Tensor = Any
Frames = npt.NDArray[np.float32]
"""(batch, 1920)"""

NO_TOKEN = -2
"""The package's mark for "not generated": a row's first step has no output yet."""
CODEBOOKS = 8


@dataclass(frozen=True, slots=True)
class Files:
    """A checkpoint: what `moshi.models.loaders.CheckpointInfo` would fetch, all local."""

    config: Path
    lm: Path
    mimi: Path
    tokenizer: Path


def set_up_torch(threads: int, device: str) -> Any:
    """Imports torch, ready for the package moshi, which reads its environment when imported.

    Args:
        threads: Number of CPU threads; each thread of ours must call `pin_threads` too.
        device: ``cpu``, ``cuda`` or ``auto``.

    Returns:
        The torch device.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before torch reads it
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(
            "device = 'cuda', but torch finds no CUDA GPU here: use device = 'cpu', or a machine "
            "with an NVIDIA GPU and torch's CUDA build"
        )
    if device == "cpu" or not shutil.which("cc"):
        os.environ["NO_TORCH_COMPILE"] = "1"  # on CUDA, torch.compile needs a C compiler
    pin_threads(threads)
    return torch.device(device)


def pin_threads(threads: int) -> None:
    """Sets threads for the calling thread: two threads on a contended core cost ten times as much
    as one.
    """
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


class TorchCore:
    """Codec and language model with the streaming state of ``batch`` rows.

    Not for two threads at once, except ``decode``: on the CPU it may run beside the others. CUDA
    graphs of the package can't (it keeps a global flag), so on CUDA a lock alternates them.
    """

    def __init__(
        self,
        mimi: Any,
        lm: Any,
        *,
        device: Any,
        batch: int = 1,
        temperature: float = 0.8,
        text_temperature: float = 0.7,
        threads: int = 1,
        generation: Mapping[str, Any] | None = None,
    ) -> None:
        """Starts streaming; the models are the package's own.

        Args:
            mimi: A ``MimiModel``.
            lm: An ``LMModel``.
            device: Where both are.
            batch: Number of rows.
            temperature: Temperature of the audio tokens; 0: greedy.
            text_temperature: Temperature of the text tokens.
            threads: Number of CPU threads.
            generation: More keyword arguments of ``LMGen``, from the checkpoint's config.
        """
        from moshi.models import LMGen

        self._torch = _torch()
        self._device = device
        self._threads = threads
        self._mimi = mimi
        self.batch = batch
        self._gen = LMGen(
            lm,
            **{
                **(generation or {}),
                "temp": temperature,
                "temp_text": text_temperature,
                "use_sampling": temperature > 0 or text_temperature > 0,
                "on_text_hook": self._force,
                "support_out_of_sync": batch > 1,
            },
        )
        self._lock = threading.Lock() if device.type == "cuda" else contextlib.nullcontext()
        self._forced: Mapping[int, int] = {}
        self._masks: dict[int, tuple[bool, ...]] = {}
        with self._torch.no_grad():
            mimi.streaming_forever(batch)
            self._gen.streaming_forever(batch)

    def seed(self, seed: int) -> None:
        """Seeds the sampling of all rows."""
        self._torch.manual_seed(seed)

    def reset(self, row: int | None = None) -> None:
        """Clears all state of a row (of every row): caches, convolutions' rests, offsets."""
        with self._turn():
            mask = None
            if row is not None:
                mask = self._torch.zeros(self.batch, dtype=self._torch.bool, device=self._device)
                mask[row] = True
            self._mimi.reset_streaming(mask)
            self._gen.reset_streaming(mask)
            self._masks.clear()  # a reset sets the row's mask

    def encode(self, pcm: Frames, present: Sequence[bool] | None = None) -> Tensor:
        """Users' frames (batch, 1920) → codes (batch, 8, 1)."""
        with self._turn():
            self._mask(self._mimi, present)
            frames = self._torch.from_numpy(np.ascontiguousarray(pcm)).to(self._device)
            return self._mimi.encode(frames[:, None])

    def advance(
        self,
        codes: Tensor,
        present: Sequence[bool] | None = None,
        forced: Mapping[int, int] | None = None,
    ) -> tuple[Tensor, list[list[int] | None]]:
        """One step of the language model.

        Args:
            codes: Result of `encode`.
            present: Rows that step; None: all.
            forced: Row → text token that it must say now.

        Returns:
            Codes (batch, 8, 1) for `decode`, and each row's text token and 8 codes; None where a
            row had no output: it is absent, or this is its first step.
        """
        with self._turn():
            self._mask(self._gen, present)
            self._forced = forced or {}
            out = self._gen.step(codes)  # (batch, 9, 1)
            if out is None:
                return None, [None] * self.batch
            rows = [r if r[0] != NO_TOKEN else None for r in out[:, :, 0].tolist()]
            return out[:, 1 : CODEBOOKS + 1].clamp(min=0), rows

    def decode(self, codes: Tensor, present: Sequence[bool] | None = None) -> Frames:
        """Codes → frames of speech (batch, 1920)."""
        with self._turn():
            self._mask(self._mimi, present)
            pcm: Frames = self._mimi.decode(codes)[:, 0].float().cpu().numpy()
            return pcm

    @contextlib.contextmanager
    def _turn(self) -> Any:
        with self._lock, self._torch.no_grad():  # both belong to a thread: graphs, and no_grad
            pin_threads(self._threads)
            yield

    def _mask(self, module: Any, present: Sequence[bool] | None) -> None:
        """Lets only the present rows step; touches every layer, so only on a change."""
        wanted = tuple(present) if present is not None else (True,) * self.batch
        if self.batch > 1 and self._masks.get(id(module)) != wanted:
            module.set_exec_mask(self._torch.tensor(wanted, device=self._device))
            self._masks[id(module)] = wanted

    def _force(self, text: Tensor) -> None:
        """The package's hook on the sampled text tokens (batch,): changed in place.

        In place, because the depth transformer is conditioned on this very tensor next.
        """
        for row, token in self._forced.items():
            text[row].fill_(token)


def load_models(files: Files, *, device: Any, dtype: str) -> tuple[Any, Any, dict[str, Any]]:
    """Loads a checkpoint, offline.

    Args:
        files: All four are there.
        device: A torch device.
        dtype: ``bfloat16`` or ``float32``, of the language model.

    Returns:
        The codec, the language model, and the checkpoint's options of ``LMGen``.

    Raises:
        EngineError: a file does not fit the config; the text names it.
    """
    from moshi.models.loaders import CheckpointInfo

    torch = _torch()
    info = CheckpointInfo.from_hf_repo(
        "local",
        moshi_weights=files.lm,
        mimi_weights=files.mimi,
        tokenizer=files.tokenizer,
        config_path=files.config,
    )
    try:
        mimi = info.get_mimi(device=device)
    except (RuntimeError, ValueError, OSError) as error:
        raise _misfit(files.mimi, "Mimi's own shape", error) from error
    try:
        lm = info.get_moshi(device=device, dtype=getattr(torch, dtype))
    except (RuntimeError, ValueError, OSError, TypeError, KeyError) as error:
        raise _misfit(files.lm, str(files.config), error) from error
    if lm.fuser is not None:
        raise EngineError(
            f"{files.config} describes a model with conditions, which this adapter does not give: "
            "use a Moshi checkpoint"
        )
    return mimi, lm, info.lm_gen_config


def cuda_free_bytes(device: Any) -> int:
    """Free memory of a GPU."""
    return int(_torch().cuda.mem_get_info(device)[0])


def _misfit(file: Path, shape: str, error: Exception) -> EngineError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:2])[:300]  # torch's first line names the class, the second the tensor
    return EngineError(
        f"{file} does not fit {shape} ({said}): fetch or make the weights again, or correct the "
        "preset's [model] weights"
    )


def _torch() -> Any:
    import torch

    return torch
