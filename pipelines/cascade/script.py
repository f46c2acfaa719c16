"""Options of the scripted cascade; its defaults are the figures that the course claims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.guards.ranges import DelayMs, Range, Seed


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """Delays of the model-free stages; they add up, for the stages are serial."""

    turn_wait_ms: DelayMs = 30.0
    """Time from the user's last audible sample to the VAD's stop."""
    stt_ms: DelayMs = 120.0
    """Time from there to the final transcript, which releases the turn."""
    llm_ttft_ms: DelayMs = 300.0
    """Time from there to the first clause."""
    tts_ttfb_ms: DelayMs = 150.0
    """Time from there to the first audio, whose first sample is audible."""
    random: bool = False
    """Draw each delay of each turn from 0.3–1.7 times its figure: the harness must recover it."""
    seed: Seed = 5
    """Seed of the drawing."""
    speech_s: Annotated[float, Range(0.01, 600, "s")] = 1.0
    """Length of the answer."""
    answer: str = "All right."
    """Text of the answer."""
