"""A bot in the shape of Pipecat's quickstart: STT, LLM and TTS behind create_transport.

It knows nothing of duplex-lab's harness: ``python quickstart_bot.py`` runs it under Pipecat's own
runner (with the ``webrtc`` extra). Where the quickstart has hosted services this one has the small
local engines that come with duplex-lab, so that it needs no key; put your own in their place.
"""

# mypy: disable-error-code="untyped-decorator"

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from pipelines.cascade.services import local_services

SCENE = "The ball is on the table. The book is on the shelf. The key is under the sofa."


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """One conversation."""
    async with local_services() as (stt, llm, tts):
        context = LLMContext()
        context.add_message({"role": "system", "content": SCENE})
        by_silence = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                vad_analyzer=SileroVADAnalyzer(),
                user_turn_strategies=UserTurnStrategies(stop=[by_silence]),
            ),
        )
        pipeline = Pipeline([transport.input(), stt, user, llm, tts, transport.output(), assistant])
        worker = PipelineWorker(
            pipeline,
            params=PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=22050),
            idle_timeout_secs=runner_args.pipeline_idle_timeout_secs,
        )
        runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)

        @transport.event_handler("on_client_connected")
        async def on_client_connected(_transport: BaseTransport, _client: object) -> None:
            context.add_message({"role": "user", "content": "Hello!"})
            await worker.queue_frames([LLMRunFrame()])  # it speaks first, as the quickstart does

        @transport.event_handler("on_client_disconnected")
        async def on_client_disconnected(_transport: BaseTransport, _client: object) -> None:
            await runner.cancel()

        await runner.add_workers(worker)
        await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Pipecat's runner calls this once per conversation."""
    transport_params = {
        "webrtc": lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True),
    }
    transport = await create_transport(runner_args, transport_params)
    await run_bot(transport, runner_args)


if __name__ == "__main__":
    from pipecat.runner.run import main

    main()
