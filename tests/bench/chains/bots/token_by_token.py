"""Each token goes to the synthesiser as it comes, every 100 ms, without waiting for a sentence."""

import asyncio

from bot_kit import ScriptedLLM, talk
from pipecat.services.tts_service import TextAggregationMode
from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator


class Slow(ScriptedLLM):
    async def say(self, text):
        for word in text.split():
            await self._push_llm_text(word + " ")
            await asyncio.sleep(0.1)


def tokens(tts):
    tts._text_aggregation_mode = TextAggregationMode.TOKEN
    tts._text_aggregator = SimpleTextAggregator(aggregation_type=TextAggregationMode.TOKEN)
    return tts


async def bot(runner_args):
    await talk(runner_args, Slow(), tts_of=tokens)
