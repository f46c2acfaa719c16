"""Where in a recording somebody speaks: Silero VAD over whole files, for proposing labels."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.fixture_records import RATE_HZ, FixtureError
from pipelines.audio.levels import rms_dbfs
from pipelines.audio.onsets import THRESHOLD_DBFS, Span

WINDOW = 512  # samples (32 ms): what the model takes at 16 kHz
_CONTEXT = 64  # samples of the window before, which it wants in front

ENTER, LEAVE = 0.5, 0.35
"""Confidence at which speech begins, and below which it ends."""
MIN_SPEECH, MIN_SILENCE = 3, 10
"""Windows: 96 ms, or it was a click; 320 ms, or it was a closure."""
PAD = 3
"""Windows added on either side: the model comes in late and goes out early on soft sounds."""
ABOVE_NOISE_DB = 6.0
"""Windows of 5 ms of steady noise stay within some 3 dB of its level."""


def speech_segments(signal: NDArray[np.floating[Any]]) -> list[Span]:
    """Segments of speech in a whole (n,) signal at 16 kHz, padded, in order and apart."""
    loud = _hysteresis(_confidences(signal))
    spans: list[list[int]] = []
    for start, end in _runs(loud):
        if spans and start - spans[-1][1] < MIN_SILENCE:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    spans = [s for s in spans if s[1] - s[0] >= MIN_SPEECH]
    # Gaps are at least MIN_SILENCE > 2·PAD windows, so padded segments stay apart.
    return [
        Span(max(0, (s - PAD) * WINDOW), min(len(signal), (e + PAD) * WINDOW)) for s, e in spans
    ]


def audible_limit_dbfs(signal: NDArray[np.floating[Any]], speech: list[Span]) -> float:
    """The threshold of audibility for a recording with background noise.

    −50 dBFS as everywhere, or 6 dB above the background between the segments if that is higher:
    otherwise the noise around the speech would count as speech.
    """
    quiet = np.ones(len(signal), bool)
    for span in speech:
        quiet[span.start : span.end] = False
    return max(THRESHOLD_DBFS, rms_dbfs(signal[quiet].astype(np.float64)) + ABOVE_NOISE_DB)


def _confidences(signal: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(windows,) probability of speech in each window; the last one is filled up with zeros."""
    # By name, as it has no types.
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(_model_path()), options, providers=["CPUExecutionProvider"]
    )
    count = -(-len(signal) // WINDOW)
    x = np.zeros(_CONTEXT + count * WINDOW, np.float32)
    x[_CONTEXT : _CONTEXT + len(signal)] = signal
    state, rate = np.zeros((2, 1, 128), np.float32), np.array(RATE_HZ, np.int64)
    out = np.zeros(count, np.float32)
    for i in range(count):
        window = x[None, i * WINDOW : (i + 1) * WINDOW + _CONTEXT]
        confidence, state = session.run(None, {"input": window, "state": state, "sr": rate})
        out[i] = confidence[0, 0]
    return out


def _model_path() -> Path:
    """The model that Pipecat's wheel carries, found without importing Pipecat."""
    spec = importlib.util.find_spec("pipecat")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "audio" / "vad" / "data" / "silero_vad.onnx"
        if path.is_file():
            return path
    raise FixtureError("silero_vad.onnx is not in the installed pipecat-ai; run the set-up again.")


def _hysteresis(confidence: NDArray[np.float32]) -> NDArray[np.bool_]:
    loud = np.zeros(len(confidence), bool)
    on = False
    for i, value in enumerate(confidence):
        on = value >= (LEAVE if on else ENTER)
        loud[i] = on
    return loud


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open ranges where the flags are true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
