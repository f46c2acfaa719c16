"""Builds the cascade: transport in → STT → user's turn → LLM → clauses → TTS → transport out."""

from __future__ import annotations

import asyncio

from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.aggregators.llm_text_processor import LLMTextProcessor
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.cascade.clauses import ClauseAggregator
from pipelines.cascade.engine_table import (
    llm_engine,
    stt_engine,
    system_prompt,
    tts_engine,
)
from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import CreatureLLMService
from pipelines.cascade.options import LlmOptions, SttOptions, TtsOptions, TurnOptions
from pipelines.cascade.stt import RATE_HZ as STT_RATE_HZ
from pipelines.cascade.stt import SphinxSTTService
from pipelines.cascade.tts import EspeakTTSService
from pipelines.cascade.turns import user_params
from pipelines.errors import SpecError
from pipelines.host import Host
from pipelines.pool import ModelPool
from pipelines.process import ModelProcess
from pipelines.spec import PipelineSpec
from pipelines.watch.tap import intent_taps, prepare_watch


async def prepare(spec: PipelineSpec, models: ModelPool) -> None:
    """Loads and warms every model that the preset names.

    Raises:
        ModelError: a model could not be loaded.
        SpecError: the preset asks for what no engine here can do.
    """
    await _processes(spec, models)
    await prepare_watch(spec.stages["watch"], models)


async def build(host: Host) -> Pipeline:
    """Makes a fresh pipeline, with a fresh context, of models that may be warm already.

    Raises:
        ModelError: a model could not be loaded.
        SpecError: the preset asks for what no engine here can do.
    """
    ear, mind, voice = await _processes(host.spec, host.models)
    turns: TurnOptions = host.options("turns")
    stt: SttOptions = host.options("stt")
    llm: LlmOptions = host.options("llm")
    tts: TtsOptions = host.options("tts")
    system = system_prompt(llm, host.scene)
    messages = [{"role": "system", "content": system}] if system else []
    if llm.prime and messages:
        async for _ in mind.request("prime", {"messages": messages}, marks=host.marks):
            pass
    context = LLMContext()
    for message in messages:
        context.add_message({"role": "system", "content": message["content"]})
    pair = LLMContextAggregatorPair(context, user_params=user_params(turns))
    hand_over = HandOver(host.marks)
    by_clause = tts.aggregation == "clause"
    processors: list[FrameProcessor] = [
        host.transport.input(),
        SphinxSTTService(ear, marks=host.marks, options=stt),
        *await intent_taps(host),  # the user's words: the aggregator behind keeps them
        pair.user(),
        CreatureLLMService(mind, marks=host.marks, options=llm, hand_over=hand_over),
    ]
    if by_clause:
        processors.append(
            LLMTextProcessor(text_aggregator=ClauseAggregator(), text_transforms=[("*", hand_over)])
        )
    processors += [
        EspeakTTSService(
            voice, marks=host.marks, options=tts, hand_over=None if by_clause else hand_over
        ),
        host.transport.output(),
        pair.assistant(),
    ]
    return Pipeline(processors)


async def _processes(
    spec: PipelineSpec, models: ModelPool
) -> tuple[ModelProcess, ModelProcess, ModelProcess]:
    """The processes of STT, LLM and TTS, running."""
    if spec.audio.in_rate_hz != STT_RATE_HZ:
        raise SpecError(
            f"{spec.name}.toml [audio]: in_rate_hz = {spec.audio.in_rate_hz} must be "
            f"{STT_RATE_HZ}, which the recogniser was trained on."
        )
    engines = (
        stt_engine(spec.stages["stt"]),
        llm_engine(spec.stages["llm"]),
        tts_engine(spec.stages["tts"]),
    )
    ear, mind, voice = await asyncio.gather(
        *(
            models.get(e.name, e.engine, e.options, request_timeout_s=e.request_timeout_s)
            for e in engines
        )
    )
    return ear, mind, voice
