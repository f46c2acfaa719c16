"""Known answers: the delay that a scripted preset was set to, against what was measured.

Nothing is recognised and no model works in such a preset, so that what is heard later than its
script says is the transport's and the harness's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.stats.quantiles import Estimate
from bench.summary.summary import RunSummary

STAGES_MS = ("turn_wait_ms", "stt_ms", "llm_ttft_ms", "tts_ttfb_ms")
"""Delays of the scripted cascade, which add up."""
FRAME_MS = 80.0
"""A frame of a duplex model: it answers at the end of the frame in which it decided to."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """One scripted preset. Times in ms."""

    preset: str
    known: float
    """From the user's last sound to the answer's first, by the script."""
    p50: Estimate
    """The same as heard."""
    farthest: float
    """The turn that is farthest from the script: heard − known, signed."""


def read_back(summary: RunSummary) -> tuple[ReadBack, ...]:
    """The presets of a run whose answer is known, and was heard."""
    described: Mapping[str, Any] = summary.info.get("presets") or {}
    found = []
    for p in summary.presets:
        known = known_ms(described.get(p.preset) or {})
        if known is not None and p.values:
            farthest = max((value - known for value in p.values), key=abs)
            found.append(ReadBack(p.preset, known, p.p50, farthest))
    return tuple(found)


def known_ms(preset: Mapping[str, Any]) -> float | None:
    """The delay that a preset's script makes; None where it makes none, or not one delay.

    Args:
        preset: Its description in ``run.json``.
    """
    script = (preset.get("stages") or {}).get("script")
    if preset.get("weights") != "scripted" or not isinstance(script, Mapping):
        return None
    if preset.get("architecture") == "scripted" and not script.get("random"):
        return float(sum(script[name] for name in STAGES_MS))
    is_gate = preset.get("architecture") == "duplex" and script.get("speak") == "gate"
    if is_gate and script["service_ms"] < FRAME_MS:  # a slower one falls behind, ever farther
        return float(script["gate_ms"] + FRAME_MS + script["service_ms"])
    return None
