"""The hosted services that a preset can name: a row each, and whether it can be used here.

All are Pipecat's own classes. A row gives the class, the environment variables that hold its key,
and what must be installed; how it was tested stands beside it, and nothing more is claimed.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.errors import SpecError
from pipelines.spec import PipelineSpec, did_you_mean

Stage = Literal["speech", "stt", "llm", "tts"]
STAGES: tuple[Stage, ...] = ("speech", "stt", "llm", "tts")


@dataclass(frozen=True, slots=True)
class Service:
    """One hosted service."""

    name: str
    stage: Stage
    """speech: it hears and speaks itself."""
    path: str
    """``module:class`` of Pipecat's service."""
    environment: Mapping[str, str]
    """Argument of the class → the environment variable that holds its value."""
    extra: str
    """Extra of pipecat-ai, for ``pip install 'pipecat-ai[…]'``."""
    imports: tuple[str, ...] = ()
    """Modules that the extra installs and that the class needs."""
    url_argument: str = ""
    """Argument for another address; empty: it can't be changed."""
    tested: Literal["protocol fake", "not run"] = "not run"
    """The test: against a local server that speaks the protocol, or none. No service was run
    against the real one yet."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Settings that the class requires."""
    context_first: bool = False
    """True if it hears nothing until it gets a context, even an empty one."""


SERVICES: dict[str, Service] = {
    s.name: s
    for s in (
        Service(
            "openai-realtime",
            "speech",
            "pipecat.services.openai.realtime.llm:OpenAIRealtimeLLMService",
            {"api_key": "OPENAI_API_KEY"},
            "openai",
            ("openai", "websockets"),
            "base_url",
            tested="protocol fake",
        ),
        Service(
            "azure-realtime",
            "speech",
            "pipecat.services.azure.realtime.llm:AzureRealtimeLLMService",
            {"api_key": "AZURE_REALTIME_API_KEY", "base_url": "AZURE_REALTIME_URL"},
            "azure",
            ("openai", "websockets"),
            "base_url",
            tested="protocol fake",
        ),
        Service(
            "gemini-live",
            "speech",
            "pipecat.services.google.gemini_live.llm:GeminiLiveLLMService",
            {"api_key": "GOOGLE_API_KEY"},
            "google",
            ("google.genai",),
            "http_options",
            tested="protocol fake",
            context_first=True,
        ),
        Service(
            "ultravox",
            "speech",
            "pipecat.services.ultravox.llm:UltravoxRealtimeLLMService",
            {"api_key": "ULTRAVOX_API_KEY"},
            "ultravox",
            ("websockets",),
            "join_url",
            tested="protocol fake",
        ),
        Service(
            "deepgram",
            "stt",
            "pipecat.services.deepgram.stt:DeepgramSTTService",
            {"api_key": "DEEPGRAM_API_KEY"},
            "deepgram",
            ("deepgram",),
            "base_url",
            tested="protocol fake",
        ),
        Service(
            "qwen",
            "llm",
            "pipecat.services.qwen.llm:QwenLLMService",
            {"api_key": "QWEN_API_KEY"},
            "qwen",
            ("openai",),
            "base_url",
            tested="protocol fake",
        ),
        Service(
            "elevenlabs",
            "tts",
            "pipecat.services.elevenlabs.tts:ElevenLabsTTSService",
            {"api_key": "ELEVENLABS_API_KEY"},
            "elevenlabs",
            ("websockets",),
            "url",
            tested="protocol fake",
            defaults={"voice": "21m00Tcm4TlvDq8ikWAM"},
        ),
        Service(
            "cartesia",
            "tts",
            "pipecat.services.cartesia.tts:CartesiaTTSService",
            {"api_key": "CARTESIA_API_KEY"},
            "cartesia",
            ("websockets",),
            "url",
            tested="protocol fake",
            defaults={"voice": "71a7ad14-091c-4e8e-a314-022ece01c121"},
        ),
    )
}
"""Name in a preset → the service. A new one is a row."""


def service_of(name: str, stage: str, where: str = "") -> Service:
    """A row of the table.

    Raises:
        SpecError: there is none of that name, or it serves another stage.
    """
    known = [s.name for s in SERVICES.values() if s.stage == stage]
    if name not in known:
        raise SpecError(
            f"{where}[{stage}]: service = {name!r} is unknown{did_you_mean(name, known)}; known "
            f"for this stage: {', '.join(known)}."
        )
    return SERVICES[name]


def services_of(spec: PipelineSpec) -> dict[str, Service]:
    """Stage → the hosted service that a preset names for it.

    Raises:
        SpecError: it names none, or an unknown one, or one that speaks beside stages.
    """
    where = f"{spec.name}.toml "
    named = {s: spec.stages[s].service for s in STAGES if spec.stages[s].service}
    found: dict[str, Service] = {s: service_of(name, s, where) for s, name in named.items()}
    if not found:
        raise SpecError(f"{where}: it names no service, under [speech], [stt], [llm] or [tts].")
    if "speech" in found and len(found) > 1:
        others = ", ".join(f"[{s}]" for s in found if s != "speech")
        raise SpecError(f"{where}: [speech] hears and speaks itself: leave {others} out.")
    return found


def missing_of(spec: PipelineSpec) -> list[str]:
    """Why a preset can't run here, a sentence each; empty: it can.

    Raises:
        SpecError: as `services_of`.
    """
    reasons = []
    for stage, service in services_of(spec).items():
        lacking = [m for m in service.imports if not _there(m)]
        if lacking:
            reasons.append(
                f"{service.name} needs the package {lacking[0]}, which is not installed: "
                f"pip install 'pipecat-ai[{service.extra}]==1.14.0'."
            )
        set_here = {service.url_argument} if spec.stages[stage].url else set()
        if "join_url" in set_here:
            continue  # a call that somebody else made: the address is the key
        unset = [
            variable
            for argument, variable in service.environment.items()
            if not os.environ.get(variable) and argument not in set_here
        ]
        if unset:
            one = "variable is" if len(unset) == 1 else "variables are"
            reasons.append(
                f"{service.name} needs an account: the environment {one} not set: "
                f"{', '.join(unset)}."
            )
    return reasons


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False
