"""Builds the cascade: transport in → STT → user's turn → LLM → clauses → TTS → transport out."""

from __future__ import annotations

import asyncio

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.aggregators.llm_text_processor import LLMTextProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService

from pipelines.cascade.clauses import ClauseAggregator, SpeakAhead
from pipelines.cascade.eager import EagerSTTService
from pipelines.cascade.endpointing.endpointer import EndpointOptions
from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import ModelLLMService
from pipelines.cascade.provide import check
from pipelines.cascade.stt import RATE_HZ as STT_RATE_HZ
from pipelines.cascade.stt import ModelSTTService
from pipelines.cascade.tts import RATE_HZ as TTS_RATE_HZ
from pipelines.cascade.tts import ModelTTSService
from pipelines.cascade.turns import user_params
from pipelines.engines.adapters import engine_row
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions, TurnOptions
from pipelines.engines.processes import (
    EngineSpec,
    answer_tokens,
    llm_engine,
    stt_engine,
    system_prompt,
    tts_engine,
)
from pipelines.errors import SpecError
from pipelines.host import Host
from pipelines.link.functions import register, tools_of
from pipelines.marks import MarkSink
from pipelines.process import environment
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.registry import load_object
from pipelines.spec import PipelineSpec
from pipelines.watch.tap import intent_taps, prepare_watch


async def prepare(spec: PipelineSpec, models: ModelPool) -> None:
    """Loads and warms every model that the preset names.

    Raises:
        ModelError: a model could not be loaded.
        SpecError: the preset asks for what no engine here can do.
    """
    await _processes(spec, models)
    if ready := engine_row("llm", spec.stages["llm"].engine).ready:
        await load_object(ready)(spec.stages["llm"])
    await prepare_watch(spec.stages["watch"], models)


async def build(host: Host) -> Pipeline:
    """Makes a fresh pipeline, with a fresh context, on models that may be warm already.

    Raises:
        ModelError: a model could not be loaded.
        SpecError: the preset asks for what no engine here can do.
    """
    processes = await _processes(host.spec, host.models)
    turns: TurnOptions = host.options("turns")
    stt: SttOptions = host.options("stt")
    llm: LlmOptions = host.options("llm")
    tts: TtsOptions = host.options("tts")
    system = system_prompt(llm, host.scene)
    messages = [{"role": "system", "content": system}] if system else []
    if llm.prime and messages and "llm" in processes:
        async for _ in processes["llm"].request("prime", {"messages": messages}, marks=host.marks):
            pass
    context = LLMContext()
    pair = LLMContextAggregatorPair(context, user_params=user_params(turns))
    hand_over = HandOver(host.marks)
    by_clause = tts.aggregation == "clause"
    voice = ModelTTSService(
        processes["tts"],
        marks=host.marks,
        options=tts,
        hand_over=None if by_clause else hand_over,
        rate_hz=tts_engine(tts).rate_hz or TTS_RATE_HZ,
    )
    ahead = SpeakAhead(voice.prepare) if turns.preset == "eager" and by_clause else None
    mind = _mind(processes.get("llm"), host.marks, llm, system, hand_over, ahead)
    if host.skills is not None and isinstance(mind, LLMService) and "llm" not in processes:
        # A model in a child process of ours has no way to call one: the watcher calls for it.
        context.set_tools(tools_of(host.skills))
        register(host.skills, mind)
    processors: list[FrameProcessor] = [
        host.transport.input(),
        _ear(processes["stt"], host.marks, stt, turns),
        *await intent_taps(host),  # the user's words: the aggregator behind keeps them
        pair.user(),
        *host.before_answer,
        mind,
    ]
    if by_clause:
        processors.append(
            LLMTextProcessor(text_aggregator=ClauseAggregator(), text_transforms=[("*", hand_over)])
        )
    processors += [
        voice,
        host.transport.output(),
        pair.assistant(),
    ]
    return Pipeline(processors)


def _ear(
    process: ModelProcess, marks: MarkSink, options: SttOptions, turns: TurnOptions
) -> FrameProcessor:
    """The recogniser, which also owns the turn where that is eager."""
    if turns.preset != "eager":
        return ModelSTTService(process, marks=marks, options=options)
    return EagerSTTService(process, marks=marks, options=options, ends=EndpointOptions.of(turns))


def _mind(
    process: ModelProcess | None,
    marks: MarkSink,
    options: LlmOptions,
    system: str,
    hand_over: HandOver,
    ahead: SpeakAhead | None,
) -> FrameProcessor:
    """The language model: in a child process, or a server's."""
    if process is None:
        service: FrameProcessor = load_object(engine_row("llm", options.engine).service)(
            options, marks, hand_over, system
        )
        return service
    return ModelLLMService(
        process,
        marks=marks,
        options=options,
        hand_over=hand_over,
        ahead=ahead,
        max_tokens=answer_tokens(options),
        system=system,
    )


async def _processes(spec: PipelineSpec, models: ModelPool) -> dict[str, ModelProcess]:
    """Stage → its process, running; stages that a service of Pipecat's serves have none."""
    if spec.audio.in_rate_hz != STT_RATE_HZ:
        raise SpecError(
            f"{spec.name}.toml [audio]: in_rate_hz = {spec.audio.in_rate_hz} must be "
            f"{STT_RATE_HZ}, which the recogniser was trained on."
        )
    check(spec)
    engines = {"stt": stt_engine(spec.stages["stt"]), "tts": tts_engine(spec.stages["tts"])}
    if not engine_row("llm", spec.stages["llm"].engine).service:
        engines["llm"] = llm_engine(spec.stages["llm"])
    running = await asyncio.gather(
        *(
            models.get(
                e.name,
                e.engine,
                e.options,
                interpreter=_interpreter(e),
                request_timeout_s=e.request_timeout_s,
                cancel_grace_s=e.cancel_grace_s,
                load_timeout_s=e.load_timeout_s,
            )
            for e in engines.values()
        )
    )
    return dict(zip(engines, running, strict=True))


def _interpreter(engine: EngineSpec) -> str | None:
    if not engine.environment:
        return None
    found = environment.find(engine.environment)
    if found is None:
        raise SpecError(
            f"The engine environment {engine.environment!r} is not built: a run builds it first; "
            f"elsewhere: duplex-lab engines build {engine.environment}."
        )
    return found
