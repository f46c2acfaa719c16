"""Builds a pipeline of hosted services: one that hears and speaks itself, or stages of a cascade.

Where a cascade's preset names no service for a stage, the embedded engine serves it, so that one
hosted stage can be compared with a single key. All stages are marked from their frames: what a
service does before it pushes, and the network, are part of its figures.
"""

from __future__ import annotations

import os
from typing import Any

from pipecat.frames.frames import Frame, LLMContextFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

from pipelines.cascade.services import embedded
from pipelines.cascade.turns import user_params
from pipelines.errors import SpecError
from pipelines.host import Host
from pipelines.hosted.options import ServiceOptions
from pipelines.hosted.services import Service, missing_of, services_of
from pipelines.process.pool import ModelPool
from pipelines.registry import load_object
from pipelines.spec import PipelineSpec

STAGES = ("stt", "llm", "tts")


def provide(spec: PipelineSpec, _tell: object) -> None:
    """Refuses a preset that can't run on this machine, before anything is started.

    Raises:
        SpecError: a key or a package is missing; the text names all that are.
    """
    if reasons := missing_of(spec):
        raise SpecError(f"Preset {spec.name} can't run here: {' '.join(reasons)}")


async def prepare(spec: PipelineSpec, models: ModelPool) -> None:
    """Loads the embedded engines of the stages that name no service.

    Raises:
        LabError: one could not be loaded, or a key is missing.
    """
    provide(spec, None)
    hosted = services_of(spec)
    for stage in STAGES if "speech" not in hosted else ():
        if stage not in hosted:
            await embedded(stage, models)


async def build(host: Host) -> Pipeline:
    """Makes a fresh pipeline with fresh connections.

    Raises:
        LabError: a key or a package is missing, or a service refuses its options.
    """
    hosted = services_of(host.spec)
    system = f"{host.options('prompt').system}{host.scene or 'nothing.'}"
    made = {
        stage: make_service(service, host.options(stage), system)
        for stage, service in hosted.items()
    }
    ends = host.transport.input(), host.transport.output()
    if "speech" in made:
        strategies, context = ExternalUserTurnStrategies(), LLMContext()
        pair = LLMContextAggregatorPair(
            context, user_params=LLMUserAggregatorParams(user_turn_strategies=strategies)
        )
        before = [FirstContext(context)] if hosted["speech"].context_first else []
        return Pipeline([ends[0], pair.user(), *before, made["speech"], ends[1], pair.assistant()])
    for stage in STAGES:
        if stage not in made:
            made[stage] = await embedded(stage, host.models)
    context = LLMContext()
    if "llm" not in hosted and host.scene:
        context.add_message({"role": "system", "content": host.scene})
    pair = LLMContextAggregatorPair(context, user_params=user_params(host.options("turns")))
    stt, llm, tts = (made[stage] for stage in STAGES)
    return Pipeline(
        [ends[0], stt, pair.user(), *host.before_answer, llm, tts, ends[1], pair.assistant()]
    )


class FirstContext(FrameProcessor):
    """Gives the empty context of a new conversation to a service that waits for one."""

    def __init__(self, context: LLMContext) -> None:
        super().__init__()
        self._context = context

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Passes everything on; adds the context after the start."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.push_frame(LLMContextFrame(self._context))


def make_service(service: Service, options: ServiceOptions, system: str) -> Any:
    """Pipecat's object, with its keys from the environment.

    Raises:
        SpecError: the class refuses the preset's settings; the text holds no key.
    """
    cls = load_object(service.path)
    arguments: dict[str, Any] = {
        argument: os.environ.get(variable, "") for argument, variable in service.environment.items()
    }
    if options.url:
        if not service.url_argument:
            raise SpecError(f"{service.name}: url = … can't be set: its address is built in.")
        arguments[service.url_argument] = _address(service, options.url)
    settings = {**service.defaults, **options.settings}
    if service.stage in ("speech", "llm"):
        settings.setdefault("system_instruction", system)
    try:
        if service.name == "ultravox":
            return _ultravox(cls, arguments, settings)
        return cls(**arguments, settings=cls.Settings(**settings))
    except (TypeError, ValueError) as error:
        raise SpecError(
            f"{service.name} does not take these settings ({' '.join(str(error).split())}): see "
            "Settings of "
            f"{service.path.replace(':', '.')}."
        ) from None


def _address(service: Service, url: str) -> Any:
    """A service's address, as its class takes it."""
    if service.name != "gemini-live":
        return url
    from google.genai.types import HttpOptions

    # Its client makes a wss:// address from any URL.
    return HttpOptions(base_url=url.replace("wss://", "https://", 1))


def _ultravox(cls: Any, arguments: dict[str, Any], settings: dict[str, Any]) -> Any:
    """Ultravox takes its options as a record of its own: a call is made, or joined."""
    from pipecat.services.ultravox.llm import JoinUrlInputParams, OneShotInputParams

    if join_url := arguments.get("join_url"):
        return cls(params=JoinUrlInputParams(join_url=join_url))
    known = {k: v for k, v in settings.items() if k in ("model", "voice", "temperature")}
    return cls(
        params=OneShotInputParams(
            api_key=arguments["api_key"], system_prompt=settings["system_instruction"], **known
        )
    )
