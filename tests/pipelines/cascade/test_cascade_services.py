"""The cascade's Pipecat services: frames in, frames out, with doubles in the model processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from pipecat.frames.frames import (
    AggregatedTextFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import TTFATMetricsData, TTFBMetricsData
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_text_processor import LLMTextProcessor
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.cascade.clauses import ClauseAggregator
from pipelines.cascade.llm import REQUEST_ID, ModelLLMService, chat_messages
from pipelines.cascade.stt import ModelSTTService
from pipelines.cascade.tts import ModelTTSService
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.marks import MarkList
from pipelines.process.process import ModelProcess

CHUNK = InputAudioRawFrame(bytes(640), 16000, 1)
PARAMS = PipelineParams(
    audio_in_sample_rate=16000, audio_out_sample_rate=22050, enable_metrics=True
)


class Stage:
    """A double's process and the marks of a service on top of it."""

    def __init__(self, process: ModelProcess) -> None:
        self.process = process
        self.marks = MarkList()

    async def run(
        self, service: FrameProcessor, frames: Sequence[Frame]
    ) -> tuple[list[Frame], list[Frame]]:
        down, up = await run_test(
            service, frames_to_send=frames, pipeline_params=PARAMS, start_timeout=10.0
        )
        return list(down), list(up)

    @property
    def events(self) -> list[str]:
        return [f"{m.stage}.{m.event}" for m in self.marks.marks]


@pytest.fixture
async def parrot(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    options: dict[str, Any] = getattr(request, "param", {})
    engine = "pipelines.process.doubles:ParrotEngine"
    async with ModelProcess("parrot", engine, options, marks=MarkList()) as process:
        yield Stage(process)


def of(kind: type[Frame], frames: Sequence[Frame]) -> list[Any]:
    return [f for f in frames if type(f) is kind]


def metrics(kind: type, frames: Sequence[Frame]) -> list[float]:
    data: list[Any] = [d for f in of(MetricsFrame, frames) for d in f.data if type(d) is kind]
    return [d.value if kind is TTFBMetricsData else d.ttfat for d in data]


def context() -> LLMContextFrame:
    return LLMContextFrame(LLMContext(messages=[{"role": "user", "content": "hello"}]))


# speech to text


def utterance(chunks: int) -> list[Frame]:
    frames: list[Frame] = [InputAudioRawFrame(bytes(640), 16000, 1) for _ in range(chunks)]
    return [
        *frames[: chunks // 2],
        VADUserStartedSpeakingFrame(start_secs=0.2),
        *frames[chunks // 2 :],
        VADUserStoppedSpeakingFrame(stop_secs=0.2),
        SleepFrame(0.5),
    ]


async def test_an_utterance_ends_in_a_final_transcript(parrot: Stage) -> None:
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=SttOptions())
    down, _ = await parrot.run(stt, utterance(40))
    (final,) = of(TranscriptionFrame, down)
    assert (final.text, final.finalized) == ("hello", True)
    assert [f.text for f in of(InterimTranscriptionFrame, down)] == ["h"]
    assert parrot.events == ["stt.request", "stt.finalize", "stt.final"]
    assert len({m.request_id for m in parrot.marks.marks}) == 1
    # TTFB is counted from the end of speech, stop_secs before the VAD's word; not 2 s late.
    (ttfb,) = [v for v in metrics(TTFBMetricsData, down) if v]
    assert 0.2 <= ttfb < 1.0
    assert len(of(InputAudioRawFrame, down)) == 40


async def test_the_pre_roll_is_heard_too_but_no_audio_twice(parrot: Stage) -> None:
    options = SttOptions(pre_roll_ms=100, partials=False)
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=options)
    down, _ = await parrot.run(stt, [*utterance(40), *utterance(40)])
    sizes = [m.value for m in parrot.marks.marks if m.event == "final"]
    # 100 ms of pre-roll = 5 chunks, then the 20 chunks up to the VAD's stop.
    assert sizes == [25 * 640, 25 * 640]
    assert of(InterimTranscriptionFrame, down) == []


@pytest.mark.parametrize("parrot", [{"heard": ""}], indirect=True)
async def test_an_utterance_without_words_pushes_no_transcript(parrot: Stage) -> None:
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=SttOptions())
    down, up = await parrot.run(stt, utterance(10))
    assert of(TranscriptionFrame, down) == [] and of(ErrorFrame, up) == []
    assert parrot.events[-1] == "stt.final"


async def test_an_utterance_that_is_open_at_the_end_is_cancelled(parrot: Stage) -> None:
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=SttOptions())
    await parrot.run(stt, [CHUNK, VADUserStartedSpeakingFrame(), CHUNK, SleepFrame(0.1)])
    assert parrot.events == ["stt.request", "stt.cancelled"]
    assert [h async for h, _ in parrot.process.request("speak", {"text": "a"})] == [{}]


@pytest.mark.parametrize("parrot", [{"heard": "crash"}], indirect=True)
async def test_a_recogniser_that_crashes_is_an_error_frame_and_is_started_again(
    parrot: Stage,
) -> None:
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=SttOptions())
    down, up = await parrot.run(stt, [*utterance(10), SleepFrame(1.0)])
    (error,) = of(ErrorFrame, up)
    assert "parrot crashed (killed by SIGKILL)" in error.error
    assert "agent.error" in parrot.events and of(TranscriptionFrame, down) == []
    await parrot.process.ensure_running()


async def test_a_recogniser_that_died_while_idle_costs_one_utterance(parrot: Stage) -> None:
    stt = ModelSTTService(parrot.process, marks=parrot.marks, options=SttOptions())
    assert parrot.process.pid is not None
    os.kill(parrot.process.pid, signal.SIGKILL)
    await asyncio.sleep(0.3)
    down, up = await parrot.run(stt, [*utterance(10), SleepFrame(1.0), *utterance(10)])
    (error,) = of(ErrorFrame, up)
    assert "parrot crashed (killed by SIGKILL); it starts again" in error.error
    assert [f.text for f in of(TranscriptionFrame, down)] == ["hello"]


# language model


async def test_a_context_is_answered_token_by_token(parrot: Stage) -> None:
    llm = ModelLLMService(parrot.process, marks=parrot.marks, options=LlmOptions())
    down, _ = await parrot.run(llm, [context(), SleepFrame(0.3)])
    kinds = [type(f) for f in down if not isinstance(f, MetricsFrame)]
    assert kinds[-4:] == [
        LLMFullResponseStartFrame,
        LLMTextFrame,
        LLMTextFrame,
        LLMFullResponseEndFrame,
    ]
    assert [f.text for f in of(LLMTextFrame, down)] == ["Okay, ", "done. "]
    assert parrot.events == ["llm.request", "agent.answer_text"]
    assert parrot.marks.marks[-1].text == "Okay, done."
    assert len([v for v in metrics(TTFBMetricsData, down) if v]) == 1
    assert len(metrics(TTFATMetricsData, down)) == 1
    (start,) = of(LLMFullResponseStartFrame, down)
    assert start.metadata[REQUEST_ID] == parrot.marks.marks[0].request_id


@pytest.mark.parametrize("parrot", [{"answer": "a " * 2000, "interval_s": 0.02}], indirect=True)
async def test_an_interruption_cancels_the_answer_in_the_child(parrot: Stage) -> None:
    llm = ModelLLMService(parrot.process, marks=parrot.marks, options=LlmOptions())
    frames = [context(), SleepFrame(0.3), InterruptionFrame(), SleepFrame(0.1)]
    down, _ = await parrot.run(llm, frames)
    assert 0 < len(of(LLMTextFrame, down)) < 100
    assert parrot.events == ["llm.request", "llm.cancelled"]
    # The child is free: were it still answering, this would wait for 40 s and time out.
    request = parrot.process.request("speak", {"text": "a"})
    assert len([reply async for reply in request]) == 1


@pytest.mark.parametrize("parrot", [{"heard": "crash"}], indirect=True)
async def test_a_language_model_that_crashes_is_an_error_frame_and_ends_its_answer(
    parrot: Stage,
) -> None:
    llm = ModelLLMService(parrot.process, marks=parrot.marks, options=LlmOptions())
    down, up = await parrot.run(llm, [context(), SleepFrame(1.0)])
    (error,) = of(ErrorFrame, up)
    assert "parrot crashed" in error.error
    assert len(of(LLMFullResponseEndFrame, down)) == 1
    assert parrot.events == ["llm.request", "agent.error"]


def test_messages_are_reduced_to_role_and_text() -> None:
    messages: list[Any] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "developer", "content": "d"},
    ]
    assert chat_messages(LLMContext(messages=messages)) == [
        ({"role": "system", "content": "s"}, messages[0]),
        ({"role": "user", "content": "a b"}, messages[1]),
        ({"role": "system", "content": "d"}, messages[3]),
    ]


# text to speech


def speech(*texts: str) -> list[Frame]:
    start = LLMFullResponseStartFrame()
    start.metadata[REQUEST_ID] = "llm-9"
    return [start, *(LLMTextFrame(t) for t in texts), LLMFullResponseEndFrame()]


async def test_a_sentence_is_spoken_at_the_engine_s_rate(parrot: Stage) -> None:
    tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
    down, _ = await parrot.run(tts, [*speech("It is ", "done."), SleepFrame(0.3)])
    audio = of(TTSAudioRawFrame, down)
    assert [f.sample_rate for f in audio] == [22050] * 8
    order = [type(f) for f in down if not isinstance(f, MetricsFrame)]
    # The stop follows the audio at once: it does not wait for 3 s of nothing.
    assert order.index(TTSStartedFrame) < order.index(TTSAudioRawFrame)
    assert order.index(TTSStoppedFrame) > order.index(TTSAudioRawFrame)
    assert parrot.events == ["tts.request", "tts.end"]
    request = parrot.marks.marks[0]
    assert request.text == "It is done." and request.request_id.startswith("llm-9/tts-")
    assert len([v for v in metrics(TTFBMetricsData, down) if v]) == 1


async def test_a_fixed_sentence_is_synthesised_once_and_an_answer_each_time(parrot: Stage) -> None:
    heard = []
    for _ in range(2):
        tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
        down, _ = await parrot.run(tts, [TTSSpeakFrame("Hello, you."), SleepFrame(0.3)])
        heard.append([(f.audio, f.sample_rate, f.metadata) for f in of(TTSAudioRawFrame, down)])
        assert len(of(TTSStoppedFrame, down)) == 1
    assert heard[0] == heard[1] and len(heard[0]) == 8
    assert parrot.events == ["tts.request", "tts.end", "tts.request", "tts.repeated", "tts.end"]
    assert parrot.marks.marks[-1].value == sum(len(pcm) // 2 for pcm, _, _ in heard[0])
    parrot.marks.marks.clear()
    for _ in range(2):  # the same words as an answer
        tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
        await parrot.run(tts, [*speech("Hello, ", "you."), SleepFrame(0.3)])
    assert parrot.events == ["tts.request", "tts.end"] * 2


@pytest.mark.parametrize("parrot", [{"interval_s": 0.02}], indirect=True)
async def test_a_fixed_sentence_that_is_interrupted_is_synthesised_anew(parrot: Stage) -> None:
    long = "a" * 2000 + "."
    for _ in range(2):
        tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
        frames = [TTSSpeakFrame(long), SleepFrame(0.2), InterruptionFrame(), SleepFrame(0.1)]
        await parrot.run(tts, frames)
    assert parrot.events == ["tts.request", "tts.cancelled"] * 2


async def test_clauses_are_spoken_one_by_one(parrot: Stage) -> None:
    from pipecat.pipeline.pipeline import Pipeline

    tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
    pipeline = Pipeline([LLMTextProcessor(text_aggregator=ClauseAggregator()), tts])
    frames = [*speech("Okay, it ", "is do", "ne. Bye"), SleepFrame(0.3)]
    down, _ = await parrot.run(pipeline, frames)
    asked = [m.text for m in parrot.marks.marks if m.event == "request"]
    assert asked == ["Okay,", "it is done.", "Bye"]
    assert len(of(TTSStoppedFrame, down)) == 1


async def test_a_text_that_makes_no_sound_does_not_hold_the_answer_s_end(parrot: Stage) -> None:
    tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
    down, up = await parrot.run(tts, [*speech("Yes. ", "--"), SleepFrame(0.5)])
    kinds = [type(f) for f in down]
    assert kinds.index(TTSStoppedFrame) > 0 and of(ErrorFrame, up) == []


@pytest.mark.parametrize("parrot", [{"interval_s": 0.02}], indirect=True)
async def test_an_interruption_cancels_speech_in_the_child(parrot: Stage) -> None:
    tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
    frames = [*speech("a" * 2000 + "."), SleepFrame(0.3), InterruptionFrame(), SleepFrame(0.1)]
    down, _ = await parrot.run(tts, frames)
    assert 0 < len(of(TTSAudioRawFrame, down)) < 100
    assert parrot.events == ["tts.request", "tts.cancelled"]
    request = parrot.process.request("speak", {"text": "a"})
    assert len([reply async for reply in request]) == 1


@pytest.mark.parametrize("parrot", [{"heard": "crash"}], indirect=True)
async def test_a_synthesiser_that_crashes_is_an_error_frame(parrot: Stage) -> None:
    tts = ModelTTSService(parrot.process, marks=parrot.marks, options=TtsOptions())
    _, up = await parrot.run(tts, [*speech("Yes."), SleepFrame(1.0)])
    assert "parrot crashed" in of(ErrorFrame, up)[0].error
    assert parrot.events == ["tts.request", "agent.error"]


async def test_aggregated_text_is_what_the_synthesiser_gets() -> None:
    processor = LLMTextProcessor(text_aggregator=ClauseAggregator())
    down, _ = await run_test(processor, frames_to_send=speech("Sure, ", "go"), start_timeout=10.0)
    await asyncio.sleep(0)
    assert [f.text for f in of(AggregatedTextFrame, list(down))] == ["Sure,", "go"]
