"""A recogniser that owns the turn: it hears the end itself after 80 ms, without a VAD."""

import numpy as np
from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import (
    InputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

QUIET_S = 0.08
LOUD = 200


class Flow(FrameProcessor):
    """Takes quiet of `QUIET_S` after a sound for the end of the turn; the pauses of these sentences
    are shorter."""

    speaks, quiet_s = False, 0.0

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            return
        pcm = np.frombuffer(frame.audio, np.int16)
        is_loud = bool(np.abs(pcm.astype(int)).max(initial=0) > LOUD)
        self.quiet_s = 0.0 if is_loud else self.quiet_s + len(pcm) / frame.sample_rate
        if is_loud and not self.speaks:
            self.speaks = True
            await self.broadcast_frame(ProposedUserStartedSpeakingFrame)
        elif self.speaks and self.quiet_s >= QUIET_S:
            self.speaks = False
            await self.push_frame(TranscriptionFrame("go to the kitchen", "", "", finalized=True))
            await self.broadcast_frame(ProposedUserStoppedSpeakingFrame)


async def bot(runner_args):
    params = LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
    await talk(runner_args, ScriptedLLM(), user_params=params, stt_of=lambda _: Flow())
