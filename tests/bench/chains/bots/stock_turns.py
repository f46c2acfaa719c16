"""Pipecat's defaults, a slow LLM without a prefix cache, and a voice that speaks in one piece."""

from bot_kit import talk
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from tone_voice import tone
from word_by_word import WordByWord


async def bot(runner_args):
    await talk(
        runner_args,
        WordByWord(caches=False),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),
        rates=(16000, 24000),
        tts_of=tone(piece_s=2.0, wait_s=1.0),
    )
