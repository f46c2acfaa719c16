"""A processor sleeps 0.4 s on the event loop in each turn; no transcript is said to be final."""

import time

from bot_kit import ScriptedLLM, listening, talk
from pipecat.frames.frames import LLMContextFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies


def unfinal(stt):
    """A recogniser that never says that its transcript is the last."""
    stt.confirm_finalize = lambda: None
    return stt


class Sleeps(FrameProcessor):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            time.sleep(0.4)  # noqa: ASYNC251 (the fault)
        await self.push_frame(frame, direction)


async def bot(runner_args):
    stop = [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.1)]
    await talk(
        runner_args,
        ScriptedLLM(),
        user_params=listening(user_turn_strategies=UserTurnStrategies(stop=stop)),
        stt_of=unfinal,
        before_llm=[Sleeps()],
    )
