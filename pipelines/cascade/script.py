"""Options of the scripted cascade; its defaults are the figures that the course claims."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """Delays of the model-free stages; they add up, for the stages are serial."""

    turn_wait_ms: float = 30.0
    """Time from the user's last audible sample to the VAD's stop."""
    stt_ms: float = 120.0
    """Time from there to the final transcript, which releases the turn."""
    llm_ttft_ms: float = 300.0
    """Time from there to the first clause."""
    tts_ttfb_ms: float = 150.0
    """Time from there to the first audio, whose first sample is audible."""
    random: bool = False
    """Draw each delay of each turn from 0.3–1.7 times its figure: the harness must recover it."""
    seed: int = 5
    """Seed of the drawing."""
    speech_s: float = 1.0
    """Length of the answer."""
    answer: str = "All right."
    """Text of the answer."""

    def __post_init__(self) -> None:
        delays = (self.turn_wait_ms, self.stt_ms, self.llm_ttft_ms, self.tts_ttfb_ms)
        if min(delays) < 0 or self.speech_s <= 0:
            raise ValueError("delays must be >= 0 and speech_s > 0")
