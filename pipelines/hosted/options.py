"""Options of a preset of hosted services: one dataclass per TOML table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEFAULTS = {"stt": "pocketsphinx", "llm": "llama", "tts": "espeak"}
"""Stage → the embedded engine that serves it where a preset names no service."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """``[speech]``, ``[stt]``, ``[llm]`` or ``[tts]``. Keys are never written in a preset: they
    come from the environment.
    """

    service: str = ""
    """A row of `pipelines.hosted.services.SERVICES`; empty: none ([speech]), or the embedded engine
    of `DEFAULTS` (the other stages)."""
    url: str = ""
    """Address in place of the vendor's: a gateway of your own, or a server for tests."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of Pipecat's ``Settings`` of the service: model, voice, language …"""


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """``[prompt]``: the instructions to the model about itself."""

    system: str = (
        "You are a small robot. Answer in one short sentence that can be spoken. What you see: "
    )
    """Text before the fixture's scene."""
