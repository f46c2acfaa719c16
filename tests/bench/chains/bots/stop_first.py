"""The STT owns the turn, and proposes its end before it pushes the transcript.

Its voice streams at another rate than the link's.
"""

import asyncio

from bot_kit import ScriptedLLM, talk
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import ProposedUserStoppedSpeakingFrame, TranscriptionFrame
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.turns.user_stop import ExternalUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from tone_voice import tone

TEXT_S = 0.03
"""From the proposal to the transcript, or the other way round."""


def proposing(stop_first):
    """Makes a recogniser propose the turn's end at each transcript."""

    def stt_of(stt):
        push = stt.push_frame

        async def push_frame(frame, direction=FrameDirection.DOWNSTREAM):
            both = [frame]
            if isinstance(frame, TranscriptionFrame):
                both.insert(0 if stop_first else 1, ProposedUserStoppedSpeakingFrame())
            for i, one in enumerate(both):
                await asyncio.sleep(i * TEXT_S)
                await push(one, direction)

        stt.push_frame = push_frame
        return stt

    return stt_of


async def converse(runner_args, stop_first):
    params = LLMUserAggregatorParams(
        vad_analyzer=SileroVADAnalyzer(),
        user_turn_strategies=UserTurnStrategies(stop=[ExternalUserTurnStopStrategy()]),
    )
    await talk(
        runner_args,
        ScriptedLLM(),
        user_params=params,
        stt_of=proposing(stop_first),
        rates=(16000, 24000),
        tts_of=tone(rate_hz=22050),
    )


async def bot(runner_args):
    await converse(runner_args, stop_first=True)
