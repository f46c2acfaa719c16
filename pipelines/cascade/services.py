"""The embedded engines as Pipecat services, for the example bot and beside hosted services: no key,
no download.

Their own marks are dropped: this pipeline is marked from outside, by its frames.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import ModelLLMService
from pipelines.cascade.stt import ModelSTTService
from pipelines.cascade.tts import ModelTTSService
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.processes import EngineSpec, llm_engine, stt_engine, tts_engine
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess


async def embedded(stage: str, models: ModelPool) -> Any:
    """A fresh service of the embedded engine for a stage, on a process that may be warm.

    Args:
        stage: stt, llm or tts.
        models: Pool of the processes to use.

    Raises:
        ModelError: it could not be loaded.
    """
    unheard = MarkList()
    if stage == "stt":
        stt = SttOptions()
        return ModelSTTService(await _process(models, stt_engine(stt)), marks=unheard, options=stt)
    hand_over = HandOver(unheard)
    if stage == "llm":
        llm = LlmOptions()
        mind = await _process(models, llm_engine(llm))
        return ModelLLMService(mind, marks=unheard, options=llm, hand_over=hand_over)
    tts = TtsOptions(aggregation="sentence")
    voice = await _process(models, tts_engine(tts))
    return ModelTTSService(voice, marks=unheard, options=tts, hand_over=hand_over)


@asynccontextmanager
async def local_services() -> AsyncIterator[tuple[Any, Any, Any]]:
    """PocketSphinx, the creature's 3M llama and espeak-ng, each in a process of its own."""
    async with ModelPool(MarkList()) as models:
        stt, llm, tts = [await embedded(stage, models) for stage in ("stt", "llm", "tts")]
        yield stt, llm, tts


async def _process(models: ModelPool, engine: EngineSpec) -> ModelProcess:
    return await models.get(engine.name, engine.engine, engine.options)
