"""How the end of the user's turn is found: the presets of ``[turns]`` as Pipecat's parameters."""

from __future__ import annotations

from pipecat.audio.turn.smart_turn.base_smart_turn import SmartTurnParams
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregatorParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import (
    BaseUserTurnStopStrategy,
    SpeechTimeoutUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
)
from pipecat.turns.user_turn_strategies import EagerUserTurnStrategies, UserTurnStrategies

from pipelines.engines.options import TurnOptions
from pipelines.link.silero import SharedSilero


def user_params(options: TurnOptions) -> LLMUserAggregatorParams:
    """Parameters of the user aggregator, with a VAD of its own (it keeps state)."""
    if options.preset == "stock":
        return LLMUserAggregatorParams(vad_analyzer=SharedSilero())
    if options.preset == "eager":
        return LLMUserAggregatorParams(
            user_turn_strategies=EagerUserTurnStrategies(),
            user_turn_stop_timeout=options.turn_stop_timeout_secs,
            empty_user_turn=None,
        )
    vad = VADParams(
        confidence=options.vad_confidence,
        start_secs=options.vad_start_secs,
        stop_secs=options.vad_stop_secs,
        min_volume=options.vad_min_volume,
    )
    return LLMUserAggregatorParams(
        vad_analyzer=SharedSilero(params=vad),
        user_turn_strategies=UserTurnStrategies(
            # Transcripts start no turn: words that the VAD does not hear were not addressed to us.
            start=[VADUserTurnStartStrategy()],
            stop=[_stop_strategy(options)],
        ),
        user_turn_stop_timeout=options.turn_stop_timeout_secs,
        # A turn without words gets no answer; a small model can't ask the user to repeat.
        empty_user_turn=None,
    )


def _stop_strategy(options: TurnOptions) -> BaseUserTurnStopStrategy:
    if options.preset == "vad":
        return SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=options.speech_timeout_secs)
    smart_turn = SmartTurnParams(stop_secs=options.smart_turn_stop_secs)
    return TurnAnalyzerUserTurnStopStrategy(
        turn_analyzer=LocalSmartTurnAnalyzerV3(params=smart_turn)
    )
