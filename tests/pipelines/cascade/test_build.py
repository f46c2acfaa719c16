"""The whole cascade, built as the bench builds it, heard and answering in real time.

Real: Pipecat, Silero, the processes. Doubles: what runs in the processes, and the transport.
"""

from __future__ import annotations

import asyncio
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import CancelFrame, InputAudioRawFrame, OutputAudioRawFrame, StartFrame
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.workers.runner import WorkerRunner

from pipelines.cascade import build as build_module
from pipelines.cascade.build import build, prepare
from pipelines.clock import monotonic_ns
from pipelines.engines.processes import EngineSpec
from pipelines.errors import ModelError, SpecError
from pipelines.host import Host
from pipelines.marks import Mark, MarkList
from pipelines.process.pool import ModelPool
from pipelines.spec import PipelineSpec, load_spec

SPEECH = Path(__file__).parents[3] / "fixtures" / "cmd_bring_green_cup.wav"
CHUNK_BYTES = 640  # 20 ms


class MemoryInput(BaseInputTransport):
    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    def hear(self, pcm: bytes) -> None:
        self._audio_in_queue.put_nowait(InputAudioRawFrame(pcm, 16000, 1))


class MemoryOutput(BaseOutputTransport):
    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.written: list[tuple[int, bytes]] = []

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.written.append((monotonic_ns(), frame.audio))
        await asyncio.sleep(len(frame.audio) / 2 / frame.sample_rate)
        return True


class MemoryTransport(BaseTransport):
    def __init__(self, spec: PipelineSpec) -> None:
        super().__init__()
        params = TransportParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_in_sample_rate=spec.audio.in_rate_hz,
            audio_out_sample_rate=spec.audio.out_rate_hz,
            audio_out_10ms_chunks=spec.audio.out_10ms_chunks,
            audio_out_end_silence_secs=0,
        )
        self.ear = MemoryInput(params)
        self.mouth = MemoryOutput(params)

    def input(self) -> FrameProcessor:
        return self.ear

    def output(self) -> FrameProcessor:
        return self.mouth


def chunks_of(path: Path) -> list[bytes]:
    with wave.open(str(path)) as file:
        pcm = file.readframes(file.getnframes()) + bytes(32000)  # 1 s of silence
    return [pcm[i : i + CHUNK_BYTES] for i in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]


async def converse(
    spec: PipelineSpec, models: ModelPool, said: list[bytes], until: str = ""
) -> tuple[list[Mark], list[tuple[int, bytes]]]:
    """Plays the chunks in real time, then waits a moment for the answer.

    ``until`` (``stage.event``) is waited for first, as long as a busy machine may need.
    """
    marks = MarkList()
    transport = MemoryTransport(spec)
    pipeline = await build(Host(spec, transport, marks, models, scene="The cup is here."))
    params = PipelineParams(audio_in_sample_rate=16000, audio_out_sample_rate=22050)
    worker = PipelineWorker(pipeline, params=params, enable_rtvi=False, idle_timeout_secs=None)
    started = asyncio.Event()

    async def on_started(*_: object) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", on_started)
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.wait_for(started.wait(), 20)
    start_ns = monotonic_ns()
    for k, chunk in enumerate(said):
        await asyncio.sleep(max(0.0, (start_ns + (k + 1) * 20_000_000 - monotonic_ns()) / 1e9))
        transport.ear.hear(chunk)
    for _ in range(600 if until else 0):
        if any(f"{m.stage}.{m.event}" == until for m in marks.marks):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.7)
    await worker.queue_frame(CancelFrame())
    await running
    return marks.marks, transport.mouth.written


def parrots(patch: pytest.MonkeyPatch, **more: Any) -> PipelineSpec:
    """cascade-embedded with a parrot for each model."""
    options = {"heard": "stop", "answer": "Okay, stopping now."} | more
    for stage in ("stt", "llm", "tts"):
        engine = EngineSpec(f"parrot {stage}", "pipelines.process.doubles:ParrotEngine", options)
        patch.setattr(build_module, f"{stage}_engine", lambda _, engine=engine: engine)
    return load_spec("cascade-embedded")


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> PipelineSpec:
    """cascade-embedded with a parrot for each model."""
    return parrots(monkeypatch, **getattr(request, "param", {}))


Conversation = tuple[list[Mark], list[tuple[int, bytes]]]


@pytest.fixture(scope="module")
def conversations() -> list[Conversation]:
    """Two alike, one after the other, of the same models."""

    async def hold(spec: PipelineSpec) -> list[Conversation]:
        async with ModelPool(MarkList()) as models:
            await prepare(spec, models)
            pids = models.pids
            said = chunks_of(SPEECH)
            found = [await converse(spec, models, said, until="tts.end") for _ in range(2)]
            assert models.pids == pids
        return found

    with pytest.MonkeyPatch.context() as patch:
        return asyncio.run(hold(parrots(patch)))


def test_speech_comes_in_and_an_answer_goes_out(conversations: list[Conversation]) -> None:
    marks, written = conversations[0]
    events = [f"{m.stage}.{m.event}" for m in marks]
    path = ["stt.request", "stt.finalize", "stt.final", "llm.request", "tts.request", "tts.end"]
    assert [e for e in events if e in path] == [*path, "tts.request", "tts.end"]
    assert [m.text for m in marks if m.event == "request" and m.stage == "tts"] == [
        "Okay,",
        "stopping now.",
    ]
    (answer,) = [m for m in marks if m.event == "answer_text"]
    assert answer.text == "Okay, stopping now."
    assert all(m.request_id.startswith(answer.request_id) for m in marks if m.stage == "tts")
    heard = b"".join(pcm for _, pcm in written)
    letters = sum(c.isalpha() for c in "Okay, stopping now.")
    assert len(heard.rstrip(b"\0")) >= letters * 880 - 4


@pytest.mark.realtime
@pytest.mark.parametrize("spec", [{"answer": "a " * 500, "interval_s": 0.02}], indirect=True)
async def test_speaking_again_cancels_the_answer_in_every_process(spec: PipelineSpec) -> None:
    said = chunks_of(SPEECH)
    async with ModelPool(MarkList()) as models:
        marks, _ = await converse(spec, models, said + said)
    events = [f"{m.stage}.{m.event}" for m in marks]
    assert events.count("llm.request") == 2 and events.count("llm.cancelled") == 2
    first, second = (m.request_id for m in marks if (m.stage, m.event) == ("llm", "request"))
    cancelled = [m.request_id for m in marks if (m.stage, m.event) == ("llm", "cancelled")]
    assert cancelled == [first, second]  # by the barge-in, and by the end of the conversation


@pytest.mark.parametrize("spec", [{"heard": "hang"}], indirect=True)
async def test_a_model_that_hangs_does_not_reach_into_the_next_conversation(
    spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_the_voice = EngineSpec("parrot", "pipelines.process.doubles:ParrotEngine", {})
    for stage in ("stt", "llm"):
        monkeypatch.setattr(build_module, f"{stage}_engine", lambda _: only_the_voice)
    async with ModelPool(MarkList()) as models:
        marks, _ = await converse(spec, models, chunks_of(SPEECH))
        (asked,) = [m for m in marks if (m.stage, m.event) == ("tts", "request")]
        assert [m.request_id for m in marks if m.event == "cancelled"] == [asked.request_id]
        (sentence,) = await models.settle()
        assert sentence.startswith("The model parrot tts did not ")
        taken = len(marks)
        await prepare(spec, models)  # the next conversation finds every model running
        assert await models.settle() == [] and len(marks) == taken


@pytest.mark.parametrize("spec", [{"heard": "hang"}], indirect=True)
async def test_a_hang_is_an_error_at_the_preset_s_time_limit(
    spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EngineSpec("parrot", "pipelines.process.doubles:ParrotEngine", {"heard": "hang"}, 0.3)
    for stage in ("stt", "llm", "tts"):
        monkeypatch.setattr(build_module, f"{stage}_engine", lambda _: engine)
    async with ModelPool(MarkList()) as models:
        with pytest.raises(ModelError, match=r"parrot gave no answer within 0\.3 s"):
            await converse(spec, models, chunks_of(SPEECH))


def test_two_conversations_of_the_same_models_share_nothing(
    conversations: list[Conversation],
) -> None:
    one, two = (marks for marks, _ in conversations)
    kinds = [
        [(m.stage, m.event, m.text) for m in marks if m.stage != "user"] for marks in (one, two)
    ]
    assert sorted(map(str, kinds[0])) == sorted(map(str, kinds[1]))
    assert not {m.request_id for m in one} & {m.request_id for m in two}


async def test_a_microphone_at_another_rate_is_refused(spec: PipelineSpec) -> None:
    wrong = replace(spec, audio=replace(spec.audio, in_rate_hz=8000))
    async with ModelPool(MarkList()) as models:
        with pytest.raises(SpecError, match="in_rate_hz = 8000 must be 16000"):
            await prepare(wrong, models)
