"""The parts of lab 5a's pipeline: made, warm, and not yet in any order."""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.aggregators.llm_text_processor import LLMTextProcessor
from pipecat.processors.frame_processor import FrameProcessor

from pipelines.cascade.clauses import ClauseAggregator
from pipelines.cascade.handover import HandOver
from pipelines.cascade.llm import ModelLLMService
from pipelines.cascade.stt import ModelSTTService
from pipelines.cascade.tts import ModelTTSService
from pipelines.cascade.turns import user_params
from pipelines.engines.processes import llm_engine, stt_engine, system_prompt, tts_engine
from pipelines.host import Host


@dataclass(frozen=True, slots=True)
class Parts:
    """Processors of Pipecat's: each takes frames from before it, and pushes frames on."""

    microphone: FrameProcessor
    """Audio frames of the user come in here."""
    recogniser: FrameProcessor
    """Speech to text: audio frames in, transcripts out."""
    user_turn: FrameProcessor
    """Holds the VAD; gathers transcripts until the user's turn is over, then asks for an answer."""
    language_model: FrameProcessor
    """The context in, the answer's text out, token by token."""
    clauses: list[FrameProcessor]
    """Cuts the answer into clauses, so that the first is spoken at once; empty where the preset
    says ``aggregation = "sentence"``: the voice then waits for whole sentences by itself."""
    voice: FrameProcessor
    """Text to speech: text in, audio frames out."""
    loudspeaker: FrameProcessor
    """Audio frames of the agent go out here."""
    answer_memory: FrameProcessor
    """Remembers what was said, so that the next turn knows; it comes last."""


async def parts(host: Host) -> Parts:
    """Makes the parts of one conversation, of models that are warm already."""
    stt, llm, tts = host.options("stt"), host.options("llm"), host.options("tts")
    ear, mind, voice = [
        await host.models.get(e.name, e.engine, e.options, request_timeout_s=e.request_timeout_s)
        for e in (stt_engine(stt), llm_engine(llm), tts_engine(tts))
    ]
    system = [{"role": "system", "content": system_prompt(llm, host.scene)}]
    if llm.prime:
        async for _ in mind.request("prime", {"messages": system}, marks=host.marks):
            pass
    context = LLMContext()
    context.add_message({"role": "system", "content": system[0]["content"]})
    pair = LLMContextAggregatorPair(context, user_params=user_params(host.options("turns")))
    hand_over = HandOver(host.marks)
    by_clause = tts.aggregation == "clause"
    cut = LLMTextProcessor(text_aggregator=ClauseAggregator(), text_transforms=[("*", hand_over)])
    return Parts(
        host.transport.input(),
        ModelSTTService(ear, marks=host.marks, options=stt),
        pair.user(),
        ModelLLMService(mind, marks=host.marks, options=llm, hand_over=hand_over),
        [cut] if by_clause else [],
        ModelTTSService(
            voice, marks=host.marks, options=tts, hand_over=None if by_clause else hand_over
        ),
        host.transport.output(),
        pair.assistant(),
    )
