"""`MimiOnnx`: Mimi in ONNX Runtime, frame by frame, for those who know ``rustymimi.Tokenizer``."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipelines.cache import Tell, silent
from pipelines.duplex.moshi.onnx.cached import ensure
from pipelines.duplex.moshi.onnx.graphs.mimi_graph import write_decoder, write_encoder
from pipelines.duplex.moshi.onnx.graphs.mimi_shape import FRAME_SAMPLES, STEPS, shape_of
from pipelines.duplex.moshi.onnx.runtime import StreamingGraph, open_graph
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Reader

Codes = npt.NDArray[np.uint32]
"""(batch, codebooks, 1)"""
Pcm = npt.NDArray[np.float32]
"""(batch, 1, 1920) in ±1, 24 kHz."""
Precision = Literal["auto", "f32", "int8"]

LEAST_SAME_CODES = 0.995
"""Share of the codes that a small encoder must leave as they are, to be chosen by itself."""
LEAST_SNR_DB = 40.0
"""Signal-to-noise ratio that a small decoder must have, to be chosen by itself."""
PROBE_FRAMES = 150
"""Frames on which small graphs are compared: 12 s of speech."""
SMALL_BITS = {"encoder": 16, "decoder": 8}
"""Bits of the transformer's matrices in a small graph. Its 8 bits alone change a code in 150, and
nothing that can be heard."""
_WARM_FRAMES = 5
_BYTES = 900e6
"""Size of all four graphs that are compared when a checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two graphs, loaded."""

    session: Any
    """Of ONNX Runtime."""
    facts: dict[str, Any]
    """``bits``: 32, or those of `SMALL_BITS`; and what the probe found."""


class MimiOnnx:
    """A codec with the state of ``batch`` conversations.

    The two halves are independent: one thread may encode while another decodes.

    Example::

        mimi = MimiOnnx("tokenizer-e351c8d8-checkpoint125.safetensors", num_codebooks=8)
        codes = mimi.encode_step(pcm)  # (1, 1, 1920) float32 → (1, 8, 1) uint32
        pcm = mimi.decode_step(codes)  # (1, 8, 1) → (1, 1, 1920)
        mimi.reset()
    """

    def __init__(
        self,
        path: str | Path,
        num_codebooks: int = 8,
        *,
        batch: int = 1,
        precision: Precision = "auto",
        threads: int = 1,
        heads: int = 0,
        tell: Tell = silent,
    ) -> None:
        """Loads a checkpoint; the first time its graphs are written into the cache, in seconds.

        Args:
            path: Mimi's safetensors, under Kyutai's names.
            num_codebooks: Number of codes of a frame, 2 to 32.
            batch: Number of conversations.
            precision: ``f32``; ``int8``, products of 8 bits: the decoder's transformer in 8 bits,
                the encoder's and the widest convolutions in two halves of 8; ``auto``, each half so
                where the probe of this machine found it quicker and as good (see `facts`).
            threads: Of ONNX Runtime.
            heads: Of the transformers, where these are not 64 wide as Kyutai's.
            tell: Takes the progress of the writing.

        Raises:
            LabError: the file is missing, damaged or of another shape, or the cache can't be
                written; one sentence that says what to do.
        """
        folder, facts = written(Path(path), num_codebooks, precision, tell, heads)
        self._codebooks, self._batch = num_codebooks, batch
        self._entries = int(facts["entries"])
        self._encoder, self._decoder = (
            Half(open_graph(folder / f"{name}.onnx", threads), facts[name])
            for name in ("encoder", "decoder")
        )
        self._begin()

    def another(self, batch: int = 1) -> MimiOnnx:
        """New conversations on the same weights, at no cost but their state."""
        made = object.__new__(MimiOnnx)
        made._codebooks, made._batch, made._entries = self._codebooks, batch, self._entries
        made._encoder, made._decoder = self._encoder, self._decoder
        made._begin()
        return made

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Of ``encoder`` and ``decoder``: ``bits``, and what the probe found."""
        return {"encoder": self._encoder.facts, "decoder": self._decoder.facts}

    @property
    def state_bytes(self) -> int:
        """Bytes of the conversations' state; constant."""
        return self._encoding.state_bytes + self._decoding.state_bytes

    def encode_step(self, pcm: Pcm) -> Codes:
        """The next frame of each conversation, as codes.

        Args:
            pcm: (batch, 1, 1920)

        Raises:
            ValueError: it has another shape.
        """
        self._check(pcm, (self._batch, 1, FRAME_SAMPLES), "samples")
        (codes,) = self._encoding({"pcm": np.ascontiguousarray(pcm, np.float32)})
        return codes.astype(np.uint32)

    def decode_step(self, codes: Codes) -> Pcm:
        """The next frame of each conversation, as samples.

        Args:
            codes: (batch, codebooks, 1)

        Raises:
            ValueError: it has another shape, or a code is no entry of its codebook.
        """
        self._check(codes, (self._batch, self._codebooks, 1), "codes")
        if codes.max() >= self._entries or codes.min() < 0:
            raise ValueError(
                f"codes go from {codes.min()} to {codes.max()}, and a codebook has the entries 0 "
                f"to {self._entries - 1}"
            )
        pcm: Pcm
        (pcm,) = self._decoding({"codes": np.ascontiguousarray(codes, np.int64)})
        return pcm

    def reset(self, row: int | None = None) -> None:
        """Begins a new conversation in one row, or in all: no bit of the past is left."""
        self._encoding.reset(row)
        self._decoding.reset(row)

    def _begin(self) -> None:
        self._encoding = StreamingGraph(self._encoder.session, ("codes",), STEPS, self._batch)
        self._decoding = StreamingGraph(self._decoder.session, ("pcm",), STEPS, self._batch)

    def _check(self, given: npt.NDArray[Any], shape: tuple[int, ...], what: str) -> None:
        if given.shape != shape:
            raise ValueError(
                f"a frame of {what} has the shape {given.shape}, and should have {shape}"
            )


def written(
    checkpoint: Path, codebooks: int, precision: Precision, tell: Tell = silent, heads: int = 0
) -> tuple[Path, dict[str, Any]]:
    """The folder of the two graphs, written and probed first where it is missing, and its facts.

    Raises:
        LabError: as `MimiOnnx`.
    """

    def write(folder: Path, reader: Reader) -> dict[str, Any]:
        shape = shape_of(reader, heads)
        if not 2 <= codebooks <= shape.codebooks:
            raise WeightsError(
                f"num_codebooks is {codebooks}, and {reader.path} has 2 to {shape.codebooks}"
            )
        facts: dict[str, Any] = {"entries": shape.entries}
        for name, (writer, judge) in _HALVES.items():
            path, bits = folder / f"{name}.onnx", SMALL_BITS[name] if precision == "int8" else 32
            writer(path, reader, shape, codebooks, bits)
            facts[name] = {"bits": bits}
            if precision == "auto":
                small = folder / f"{name}-int8.onnx"
                writer(small, reader, shape, codebooks, SMALL_BITS[name])
                is_chosen, found = judge(path, small, codebooks, shape.entries)
                facts[name] = {"bits": SMALL_BITS[name] if is_chosen else 32, **found}
                kept, left = (small, path) if is_chosen else (path, small)
                left.unlink()
                left.with_suffix(".data").unlink()
                kept.rename(path)  # its weights keep their file's name, which it refers to
        return facts

    kind = f"mimi-{codebooks}-{precision}" + (f"-{heads}" if heads else "")
    return ensure(checkpoint, kind, write, _BYTES, tell)


Verdict = tuple[bool, dict[str, float]]
"""True if the small graph is chosen, and what was found."""


def _probe_encoder(wide: Path, small: Path, codebooks: int, entries: int) -> Verdict:
    """Which share of the codes of speech stay as they are, and both times of a frame."""
    frames = [{"pcm": pcm} for pcm in _speech()]
    codes, times_ms = _both(wide, small, "codes", frames)
    same = float((codes[0] == codes[1]).mean())
    return _judged(same >= LEAST_SAME_CODES, times_ms, int8_same_codes=round(same, 4))


def _probe_decoder(wide: Path, small: Path, codebooks: int, entries: int) -> Verdict:
    """How far from the decoder in f32 the small one is, and both times of a frame."""
    draw = np.random.default_rng(0).integers
    frames = [{"codes": draw(0, entries, (1, codebooks, 1))} for _ in range(PROBE_FRAMES)]
    pcm, times_ms = _both(wide, small, "pcm", frames)
    noise = ((pcm[0] - pcm[1]) ** 2).sum() + 1e-30
    snr_db = float(10 * np.log10((pcm[0] ** 2).sum() / noise + 1e-30))
    return _judged(snr_db >= LEAST_SNR_DB, times_ms, int8_snr_db=round(snr_db, 1))


def _judged(good: bool, times_ms: tuple[float, float], **found: float) -> Verdict:
    wide_ms, small_ms = times_ms
    times = {"f32_ms": round(wide_ms, 2), "int8_ms": round(small_ms, 2)}
    return good and small_ms < wide_ms, times | found


_HALVES = {
    "encoder": (write_encoder, _probe_encoder),
    "decoder": (write_decoder, _probe_decoder),
}


def _both(
    wide: Path, small: Path, result: str, frames: list[dict[str, Any]]
) -> tuple[list[npt.NDArray[Any]], tuple[float, float]]:
    """The results of two graphs on the same frames, turn about, and their median times, ms."""
    graphs = [StreamingGraph(open_graph(path), (result,), STEPS) for path in (wide, small)]
    said: list[list[npt.NDArray[Any]]] = [[], []]
    times: list[list[float]] = [[], []]
    for frame in frames:
        for i, graph in enumerate(graphs):
            began = perf_counter()
            said[i] += graph(frame)
            times[i].append((perf_counter() - began) * 1e3)
    wide_ms, small_ms = (median(each[_WARM_FRAMES:]) for each in times)
    return [np.stack(each) for each in said], (wide_ms, small_ms)


def _speech() -> Iterator[Pcm]:
    """Frames of the speech that ships with the lab; noise where there is none."""
    from pipelines.installation import shipped_fixtures

    files = sorted(p for p in shipped_fixtures().glob("cmd_*.wav") if p.stem.count(".") == 0)
    pcm = np.random.default_rng(0).standard_normal(PROBE_FRAMES * FRAME_SAMPLES) * 0.05
    pieces = [_read(path) for path in files[:8]]
    if sum(map(len, pieces)) >= len(pcm):
        pcm = np.concatenate(pieces)
    for i in range(PROBE_FRAMES):
        frame = pcm[i * FRAME_SAMPLES : (i + 1) * FRAME_SAMPLES]
        yield np.ascontiguousarray(frame, np.float32)[None, None]


def _read(path: Path) -> npt.NDArray[np.float64]:
    """A 16-bit WAV file at 24 kHz, roughly: its first channel."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")[::channels] / 32768
    at = np.arange(int(len(pcm) * 24_000 / rate)) * (rate / 24_000)
    return np.asarray(np.interp(at, np.arange(len(pcm)), pcm))
