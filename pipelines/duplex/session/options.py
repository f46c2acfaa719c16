"""The options of a duplex preset: [model] and [processor]; a scripted one has [script] as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, Seed, Temperature, Threads, TimeoutS


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """``[model]``: the model, its implementation and its weights."""

    id: str
    """Model id, whose prefix names the family: ``moshi-tiny``, ``personaplex-7b``, …"""
    backend: str = "mlx"
    """Adapter that runs it: a row of `pipelines.duplex.adapters`."""
    weights: str = "synthetic"
    """``synthetic`` (made here, of the id's size), a folder, or a model: an id of 'models list', or
    ``owner/name`` of the hub. Backend nano: ``shipped`` (in the package), or a folder."""
    precision: Literal["f32", "bf16", "q8", "q4"] = "bf16"
    """Precision of the language model. The codec's is f32, or, with backend onnx, what a probe of
    the machine chooses."""
    seed: Seed = 0
    """Seed of the session's sampling: the same seed and input give the same samples."""
    temperature: Temperature = 0.8
    """Temperature of the audio tokens; 0 is greedy."""
    text_temperature: Temperature = 0.7
    """Temperature of the text tokens; 0 is greedy."""
    threads: Threads = 1
    """Threads of the language model where the library has a setting; the codec has its own."""
    stages: Literal["auto", "serial", "pipelined"] = "auto"
    """Serial or pipelined decoding (a thread of its own); auto: pipelined where there are cores for
    it."""
    greeting: str = ""
    """Text forced into the inner monologue before the first frame."""
    probe_text: str = ""
    """Forced while ``duplex-lab algorithmic-latency`` probes it: a model that was trained to be
    silent says nothing that a single frame of the user could change."""
    url: str = ""
    """Address of the server (backend server): ws://host:port."""
    voice_prompt: str = ""
    """PersonaPlex: the voice to speak with."""
    text_prompt: str = ""
    """PersonaPlex: a text about its role."""


@dataclass(frozen=True, slots=True)
class ProcessorOptions:
    """``[processor]``: the policies of `pipelines.duplex.processor.MoshiProcessor`."""

    overload: Literal["lag", "drop"] = "lag"
    """Policy for a model slower than real time: fall behind visibly, or drop the oldest frames."""
    queue_frames: Annotated[int, Range(1, 10_000, "frames")] = 4
    """Largest number of frames that wait for the model, with ``drop``."""
    context_end: Literal["stop", "reset"] = "stop"
    """Policy at the end of the model's context: fall silent for good, or begin a new session."""
    vad_tap: bool = True
    """True if Silero listens too, so that Pipecat's observers see when the user speaks."""
    unpaced_frames: Annotated[int, Range(0, 100_000, "frames")] = 125
    """Number of frames that are run as fast as they go once the model is loaded, for its service
    time apart from all conversations. 0: none. A server gets none."""
    frame_timeout_s: TimeoutS = 20.0
    """Longest time that a model may owe a frame, s; then it is killed as hung, and the trial says
    so."""
