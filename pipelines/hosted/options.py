"""What a preset of hosted services may say: one dataclass per TOML table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULTS = {"stt": "pocketsphinx", "llm": "llama", "tts": "espeak"}
"""Stage → the embedded engine that stands in where a preset names no service."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """``[speech]``, ``[stt]``, ``[llm]`` or ``[tts]``. No key is ever written here: keys come from
    the environment.
    """

    service: str = ""
    """A row of `pipelines.hosted.services.SERVICES`; empty: none ([speech]), or the embedded engine
    of `DEFAULTS` (the other stages)."""
    url: str = ""
    """Another address than the vendor's: a gateway of your own, or a server for tests."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What Pipecat's ``Settings`` of the service takes: model, voice, language …"""


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """``[prompt]``: what the model is told of itself."""

    system: str = (
        "You are a small robot. Answer in one short sentence that can be spoken. What you see: "
    )
    """Stands before the fixture's scene."""
