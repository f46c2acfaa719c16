"""A bot without a known cause but the VAD's own silence.

The recogniser finalises, the end-of-turn model says complete, words are spoken as they come, the
voice streams at the link's rate, the prompt is kept, and the VAD has no volume gate.
"""

from bot_kit import talk
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.services.tts_service import TextAggregationMode
from tone_voice import tone
from word_by_word import WordByWord


async def bot(runner_args):
    await talk(
        runner_args,
        WordByWord(caches=True, text="okay."),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(min_volume=0.0))
        ),
        rates=(16000, 24000),
        tts_of=tone(text_aggregation_mode=TextAggregationMode.TOKEN),
    )
