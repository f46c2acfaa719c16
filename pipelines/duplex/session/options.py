"""The options of a duplex preset: [model] and [processor]; a scripted one has [script] as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, Seed, Temperature, Threads, TimeoutS


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """``[model]``: which model, in which implementation, with which weights."""

    id: str
    """Its prefix says the family: ``moshi-tiny``, ``moshi-7b``, ``personaplex-7b``, …"""
    backend: str = "mlx"
    """Which adapter runs it: a row of `pipelines.duplex.adapters`."""
    weights: str = "synthetic"
    """``synthetic`` (made here, of the id's size), a folder, or a model: an id of 'models list', or
    ``owner/name`` of the hub. Backend nano: ``shipped`` (in the package), or a folder."""
    precision: Literal["f32", "bf16", "q8", "q4"] = "bf16"
    """Of the language model; the codec is f32 always."""
    seed: Seed = 0
    """Of the session's sampling: the same seed and input give the same samples."""
    temperature: Temperature = 0.8
    """Of the audio tokens; 0 is greedy."""
    text_temperature: Temperature = 0.7
    """Of the text tokens; 0 is greedy."""
    threads: Threads = 1
    """Threads of the language model where the library lets us say; the codec has its own."""
    stages: Literal["auto", "serial", "pipelined"] = "auto"
    """Whether decoding has a thread of its own; auto: where there are cores for it."""
    greeting: str = ""
    """Forced into the inner monologue before the first frame."""
    probe_text: str = ""
    """Forced while ``duplex-lab algorithmic-latency`` probes it: a model that was trained to be
    silent says nothing that a single frame of the user could change."""
    url: str = ""
    """Of the server (backend server): ws://host:port."""
    voice_prompt: str = ""
    """PersonaPlex: the voice to speak with."""
    text_prompt: str = ""
    """PersonaPlex: who it is."""


@dataclass(frozen=True, slots=True)
class ProcessorOptions:
    """``[processor]``: what `pipelines.duplex.processor.MoshiProcessor` does around the model."""

    overload: Literal["lag", "drop"] = "lag"
    """A model slower than real time: fall behind and show it, or drop the oldest frames."""
    queue_frames: Annotated[int, Range(1, 10_000, "frames")] = 4
    """With ``drop``: most frames that wait for the model."""
    context_end: Literal["stop", "reset"] = "stop"
    """At the end of the model's context: fall silent for good, or begin a new session."""
    vad_tap: bool = True
    """Silero listens along, so that Pipecat's observers see when the user speaks."""
    unpaced_frames: Annotated[int, Range(0, 100_000, "frames")] = 125
    """So many frames are run as fast as they go once the model is loaded: its service time,
    apart from all conversations. 0: none. A server is given none."""
    frame_timeout_s: TimeoutS = 20.0
    """A model that owes a frame for so long is hung: it is killed, and the trial says so."""
