"""The embedded engines as three Pipecat services, for the example bot: no key, no download."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipelines.cascade.engine_table import llm_engine, stt_engine, tts_engine
from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import CreatureLLMService
from pipelines.cascade.options import LlmOptions, SttOptions, TtsOptions
from pipelines.cascade.stt import SphinxSTTService
from pipelines.cascade.tts import EspeakTTSService
from pipelines.marks import MarkList
from pipelines.pool import ModelPool

Services = tuple[SphinxSTTService, CreatureLLMService, EspeakTTSService]


@asynccontextmanager
async def local_services() -> AsyncIterator[Services]:
    """PocketSphinx, the creature's 3M llama and espeak-ng, each in a process of its own.

    Their own marks go nowhere: a bot is measured from outside.
    """
    unheard = MarkList()
    stt, llm, tts = SttOptions(), LlmOptions(), TtsOptions(aggregation="sentence")
    async with ModelPool(unheard) as models:
        ear, mind, voice = [
            await models.get(e.name, e.engine, e.options)
            for e in (stt_engine(stt), llm_engine(llm), tts_engine(tts))
        ]
        hand_over = HandOver(unheard)
        yield (
            SphinxSTTService(ear, marks=unheard, options=stt),
            CreatureLLMService(mind, marks=unheard, options=llm, hand_over=hand_over),
            EspeakTTSService(voice, marks=unheard, options=tts, hand_over=hand_over),
        )
