"""`MoshiProcessor`: frames in, frames out, with doubles of the model in a process of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import numpy as np
import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMServiceMetadataFrame,
    LLMTextFrame,
    SpeechOutputAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.tests.utils import SleepFrame, run_test

from bench.fixtures.library import fixtures_root, load, read_pcm
from pipelines.audio.resample import resample
from pipelines.duplex.frames import DuplexContextEndFrame
from pipelines.duplex.processor import MoshiProcessor
from pipelines.duplex.session.options import ProcessorOptions
from pipelines.duplex.session.wire import SESSION, pcm_to_bytes
from pipelines.duplex.vad_tap import passive_vad
from pipelines.host import DUE_NS
from pipelines.marks import EventName, Mark, MarkList
from pipelines.process.process import ModelProcess

FRAME = 1920
Make = Callable[..., Any]


@pytest.fixture
async def echo() -> AsyncIterator[Make]:
    """Makes running processes of `EchoModel`."""
    async with AsyncExitStack() as stack:

        async def make(limits: dict[str, Any] | None = None, **options: Any) -> ModelProcess:
            process = ModelProcess(
                "echo",
                "pipelines.duplex.session.engine:DuplexEngine",
                {"adapter": "pipelines.duplex.session.doubles:EchoModel", "options": options},
                marks=MarkList(),
                **(limits or {}),
            )
            return await stack.enter_async_context(process)

        yield make


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9000, 9000, samples, dtype=np.int16)


def chunks(pcm: np.ndarray, size: int, rate_hz: int = 24_000) -> list[Frame]:
    """The signal as input frames of ``size`` samples; the last may be shorter."""
    parts = [pcm[i : i + size] for i in range(0, len(pcm), size)]
    return [InputAudioRawFrame(part.tobytes(), rate_hz, 1) for part in parts]


class Pause(SleepFrame):
    """A pause of at most 0.1 s, that takes no time once the model owes nothing."""

    def __init__(self, processor: FrameProcessor) -> None:
        super().__init__(0.1)
        self._processor = processor

    @property
    def sleep(self) -> float:
        session = getattr(self._processor, "_session", None)
        return 0.1 if session is not None and session._owed and not session.ended else 0.0

    @sleep.setter
    def sleep(self, _: float) -> None:
        """Not to be set."""


async def run(
    processor: FrameProcessor, frames: Sequence[Frame | SleepFrame], settle_s: float = 0.15
) -> tuple[list[Frame], list[Frame]]:
    """Sends the frames and waits until the model, on however slow a machine, has done them."""
    params = PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000)
    pauses = [SleepFrame(settle_s), *(Pause(processor) for _ in range(100)), SleepFrame(settle_s)]
    down, up = await run_test(
        processor,
        frames_to_send=[*frames, *pauses],
        pipeline_params=params,
        # A dead model is started again meanwhile. A start that times out hangs in Pipecat.
        start_timeout=60.0,
    )
    return list(down), list(up)


def spoken(frames: Sequence[Frame]) -> np.ndarray:
    audio = [f for f in frames if isinstance(f, SpeechOutputAudioRawFrame)]
    assert all((f.sample_rate, f.num_channels) == (24_000, 1) for f in audio)
    assert all(len(f.audio) == 2 * FRAME for f in audio)
    return np.frombuffer(b"".join(f.audio for f in audio), np.int16)


def kinds(marks: Sequence[Mark], event: str) -> list[int]:
    return [int(m.value or 0) for m in marks if (m.stage, m.event) == ("duplex", event)]


@pytest.mark.parametrize("size", [240, 1000, 1920, 5000])
async def test_any_chunk_size_comes_back_as_whole_frames_bit_by_bit(echo, size):
    pcm, marks = noise(6 * FRAME + 700), MarkList()
    down, _ = await run(MoshiProcessor(await echo(), marks=marks), chunks(pcm, size))
    np.testing.assert_array_equal(spoken(down), pcm[: 6 * FRAME])
    for event in ("frame_in", "handed", "ready", "start", "encoded", "stepped", "done"):
        assert kinds(marks.marks, event) == list(range(6)), event
    assert kinds(marks.marks, "frame_out") == list(range(6))
    assert [m.value for m in marks.marks if m.event == "hold_back"] == [0.0]


async def test_another_rate_and_stereo_are_resampled_and_the_hold_back_is_marked(echo):
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    stereo = np.repeat(np.rint(9000 * tone).astype(np.int16), 2)
    frames = [InputAudioRawFrame(part.tobytes(), 16_000, 2) for part in np.split(stereo, 50)]
    marks = MarkList()
    down, _ = await run(MoshiProcessor(await echo(), marks=marks), frames)
    said = spoken(down)
    assert len(said) == 12 * FRAME  # 1 s holds 12.5 frames
    assert [m.value for m in marks.marks if m.event == "hold_back"] == [2.0]
    t_s = np.arange(len(said)) / 24_000 - 0.002
    wanted = 9000 * np.sin(2 * np.pi * 440 * t_s)
    np.testing.assert_allclose(said[200:], wanted[200:], atol=4)


async def test_marks_of_the_child_carry_its_pid_and_lie_between_the_processors_own(echo):
    process, marks = await echo(step_ms=5), MarkList()
    pid = process.pid
    await run(MoshiProcessor(process, marks=marks, seed=3), chunks(noise(5 * FRAME), 480))
    by = {(m.event, m.value): m for m in marks.marks if m.stage == "duplex"}
    session = next(m for m in marks.marks if m.event == "session")
    assert (session.text, session.value) == ("echo", 3.0)
    own: list[EventName] = ["frame_in", "handed"]
    child: list[EventName] = ["start", "encoded", "stepped", "decode_start", "done"]
    for frame in range(5):
        life = [by[event, frame] for event in (*own, *child, "frame_out")]
        assert [m.t_ns for m in life] == sorted(m.t_ns for m in life)
        pids = [m.pid for m in life]
        assert pids == [os.getpid()] * 2 + [pid] * 5 + [os.getpid()]
        assert {m.request_id for m in life} == {session.request_id}


async def test_text_is_sent_as_pipecats_speech_to_speech_services_do(echo):
    marks = MarkList()
    processor = MoshiProcessor(await echo(), marks=marks, greeting="hello there")
    frames = chunks(noise(20 * FRAME), FRAME)
    say = TTSSpeakFrame("good bye")
    pause = SleepFrame(0.1)  # input audio overtakes other frames
    down, up = await run(processor, [*frames[:17], pause, say, pause, *frames[17:]])
    told = (LLMFullResponseStartFrame, LLMFullResponseEndFrame, LLMTextFrame, TTSTextFrame)
    shape = [type(f).__name__ for f in down if isinstance(f, told)]
    word = ["LLMTextFrame", "TTSTextFrame"]
    said = ["LLMFullResponseStartFrame", *word, *word]
    assert shape == 2 * [*said, "LLMFullResponseEndFrame"]
    texts = [f for f in down if isinstance(f, TTSTextFrame)]
    assert "".join(f.text for f in texts) == " hello there good bye"
    assert all(f.skip_tts and f.includes_inter_frame_spaces for f in texts)
    assert not any(f.append_to_context for f in down if isinstance(f, LLMTextFrame))
    assert not any(isinstance(f, TTSSpeakFrame) for f in down)
    metadata = [f for f in [*down, *up] if isinstance(f, LLMServiceMetadataFrame)]
    assert metadata and all(f.is_realtime_service for f in metadata)
    forced = [m.text for m in marks.marks if m.event == "forced"]
    assert forced == [" hello", " there", " good", " bye"]
    answers = [m for m in marks.marks if m.event == "answer_text"]
    assert [m.text for m in answers] == ["hello there", "good bye"]
    stepped = {m.value: m.t_ns for m in marks.marks if m.event == "stepped"}
    assert [m.t_ns for m in answers] == [stepped[0], stepped[17]]


async def test_what_is_to_be_said_before_the_session_is_open_is_said_behind_the_greeting(echo):
    marks = MarkList()
    processor = MoshiProcessor(await echo(), marks=marks, greeting="hello there")
    processor.say("good bye")
    await run(processor, chunks(noise(8 * FRAME), FRAME))
    assert [m.text for m in marks.marks if m.event == "forced"] == [
        " hello", " there", " good", " bye",
    ]  # fmt: skip
    processor.say("too late")  # a conversation that has ended says nothing more
    assert processor._to_say == []


async def test_a_frame_is_offered_when_its_last_chunk_was_due_however_late_it_is_seen(echo):
    frames, marks = chunks(noise(4 * FRAME), FRAME // 2), MarkList()
    begin_ns = time.monotonic_ns() - 10**9
    for k, frame in enumerate(frames[:6]):
        frame.metadata[DUE_NS] = begin_ns + k
    await run(MoshiProcessor(await echo(), marks=marks), frames)
    by = {(m.event, m.value): m.t_ns for m in marks.marks if m.stage == "duplex"}
    assert [by["frame_in", k] for k in range(3)] == [begin_ns + k for k in (1, 3, 5)]
    assert all(by["handed", k] >= begin_ns + 10**9 for k in range(4))
    assert begin_ns + 10**9 <= by["frame_in", 3] <= by["handed", 3]


async def test_a_second_conversation_on_one_process_is_refused_and_the_first_goes_on(echo):
    process, marks = await echo(), MarkList()
    first = process.open(SESSION, {}, request_id="first", fed=True, owes="frame")
    down, up = await run(MoshiProcessor(process, marks=marks), chunks(noise(FRAME), FRAME))
    assert errors(up, marks) == (
        "The model echo is in another conversation: end that first, or start a second process for "
        "this one."
    )
    assert len(spoken(down)) == 0
    first.feed({"frame": 0}, pcm_to_bytes(np.zeros(FRAME, np.float32)), last=False)
    header, _ = await anext(first)
    assert header["frame"] == 0
    first.cancel()
    await first.wait_ended()
    down, _ = await run(MoshiProcessor(process), chunks(noise(FRAME), FRAME))
    assert len(spoken(down)) == FRAME


async def end(processor: FrameProcessor, frames: Sequence[Frame]) -> list[Frame]:
    """Sends the frames, and the pipeline's end right behind them."""
    params = PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000)
    down, _ = await run_test(
        processor,
        frames_to_send=[*frames, SleepFrame(0.05)],  # input audio overtakes other frames
        pipeline_params=params,
        start_timeout=60.0,
    )
    return list(down)


async def test_at_the_end_what_the_model_owes_comes_out_and_its_text_is_closed(echo):
    pcm = noise(8 * FRAME)
    processor = MoshiProcessor(await echo(step_ms=30), greeting="hello there")
    down = await end(processor, chunks(pcm, FRAME))
    np.testing.assert_array_equal(spoken(down), pcm)
    told = [f for f in down if isinstance(f, LLMFullResponseStartFrame | LLMFullResponseEndFrame)]
    assert [type(f) for f in told] == [LLMFullResponseStartFrame, LLMFullResponseEndFrame]


async def test_the_end_waits_no_longer_than_its_grace_for_a_model_that_is_far_behind(echo):
    process = await echo(step_ms=200)
    began = time.monotonic()
    down = await end(MoshiProcessor(process), chunks(noise(30 * FRAME), FRAME))
    assert 2 <= len(spoken(down)) // FRAME <= 8
    assert time.monotonic() - began < 4.0  # all of it would take 6 s
    assert process.running


async def test_a_slow_model_with_lag_hears_everything_and_with_drop_the_newest(echo):
    process, frames = await echo(step_ms=20), chunks(noise(12 * FRAME), FRAME)
    lag, drop = MarkList(), MarkList()
    await run(MoshiProcessor(process, marks=lag), frames)
    assert kinds(lag.marks, "frame_out") == list(range(12))
    assert kinds(lag.marks, "dropped") == []
    options = ProcessorOptions(overload="drop", queue_frames=3)
    await run(MoshiProcessor(process, options=options, marks=drop), frames)
    dropped, heard = kinds(drop.marks, "dropped"), kinds(drop.marks, "done")
    assert sorted(dropped + heard) == list(range(12))
    assert dropped and heard[-3:] == [9, 10, 11]
    assert kinds(drop.marks, "frame_out") == heard


async def test_at_the_contexts_end_stop_falls_silent_and_says_so(echo):
    marks, frames = MarkList(), chunks(noise(8 * FRAME), FRAME)
    process = await echo(context_frames=3)
    down, up = await run(MoshiProcessor(process, marks=marks), frames)
    assert len(spoken(down)) == 3 * FRAME
    events = [f for f in down if isinstance(f, DuplexContextEndFrame)]
    assert [f.policy for f in events] == ["stop"]
    assert events[0].text == (
        "The context of the model echo is full after 3 frames: it is silent from now on "
        "(context_end = 'reset' would begin a new session)."
    )
    ends = [(m.value, m.text) for m in marks.marks if m.event == "context_end"]
    assert ends == [(3.0, "stop")]
    assert not any(isinstance(f, ErrorFrame) for f in up)


async def test_at_the_contexts_end_reset_goes_on_in_a_new_session(echo):
    marks, pcm = MarkList(), noise(8 * FRAME)
    options = ProcessorOptions(context_end="reset")
    processor = MoshiProcessor(await echo(context_frames=3), options=options, marks=marks)
    down, _ = await run(processor, chunks(pcm, FRAME))
    np.testing.assert_array_equal(spoken(down), pcm)
    ends = [(m.value, m.text) for m in marks.marks if m.event == "context_end"]
    assert ends == [(3.0, "reset"), (6.0, "reset")]
    assert len([m for m in marks.marks if m.event == "session"]) == 3


async def test_two_conversations_with_the_same_seed_are_the_same_samples(echo):
    process, frames = await echo(noise=0.05, delay_frames=2), chunks(noise(7 * FRAME), 500)
    said = []
    for seed in (4, 4, 5):
        down, _ = await run(MoshiProcessor(process, seed=seed), frames)
        said.append(spoken(down))
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def errors(up: Sequence[Frame], marks: MarkList) -> str:
    """The one sentence that the pipeline and the record were both told."""
    told = [str(f.error) for f in up if isinstance(f, ErrorFrame)]
    assert told == [m.text for m in marks.marks if m.event == "error"]
    assert len(told) == 1
    return told[0]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("crash", "The model echo crashed (killed by SIGKILL); it starts again"),
        ("raise", "The model echo failed on a request: RuntimeError: the model broke."),
        ("decode", "The model echo failed on a request: RuntimeError: the codec broke."),
        ("shape", "The model echo failed on a request: ValueError: a frame of shape (1919,)"),
        (
            "nan",
            "The model echo sent something that is not a frame: a frame holds NaN or infinity.",
        ),
    ],
)
async def test_a_model_that_fails_is_one_sentence_and_the_next_conversation_works(
    echo, fault, sentence
):
    process, frames = await echo(fault=fault, fault_frame=5), chunks(noise(9 * FRAME), FRAME)
    marks = MarkList()
    down, up = await run(MoshiProcessor(process, marks=marks), frames)
    assert errors(up, marks).startswith(sentence)
    # A crash takes along what waited to be decoded; else all frames before the fault are heard.
    assert len(spoken(down)) // FRAME in (range(6) if fault == "crash" else {5})
    down, _ = await run(MoshiProcessor(process), frames[:2])
    assert len(spoken(down)) == 2 * FRAME


async def test_a_model_that_hangs_is_killed_after_its_frame_timeout(echo):
    process = await echo({"request_timeout_s": 0.3}, fault="hang", fault_frame=5)
    pid, marks = process.pid, MarkList()
    frames = chunks(noise(9 * FRAME), FRAME)
    _, up = await run(MoshiProcessor(process, marks=marks), frames)
    assert errors(up, marks).startswith(
        "The model echo gave no frame within 0.3 s and was killed; it starts again"
    )
    assert process.pid != pid


async def test_a_model_that_is_only_slow_or_idle_is_not_taken_for_hung(echo):
    process = await echo({"request_timeout_s": 0.6}, step_ms=60)
    frames, marks = chunks(noise(12 * FRAME), FRAME), MarkList()
    sent = [*frames[:10], SleepFrame(1.2), *frames[10:]]
    _, up = await run(MoshiProcessor(process, marks=marks), sent)
    assert not any(isinstance(f, ErrorFrame) for f in up)
    assert kinds(marks.marks, "frame_out") == list(range(12))


async def test_a_model_killed_from_outside_is_one_sentence(echo):
    process, marks = await echo(step_ms=10), MarkList()
    killer = asyncio.get_running_loop().call_later(0.3, os.kill, process.pid, signal.SIGKILL)
    frames = [f for c in chunks(noise(8 * FRAME), FRAME) for f in (c, SleepFrame(0.08))]
    _, up = await run(MoshiProcessor(process, marks=marks), frames, settle_s=0.3)
    killer.cancel()
    assert errors(up, marks).startswith("The model echo crashed (killed by SIGKILL)")


async def test_a_model_that_can_not_be_loaded_is_reported_to_the_pipeline():
    process = ModelProcess(
        "echo",
        "pipelines.duplex.session.engine:DuplexEngine",
        {"adapter": "no_such_package:Model"},
        marks=MarkList(),
    )
    marks = MarkList()
    _, up = await run(MoshiProcessor(process, marks=marks), chunks(noise(FRAME), FRAME))
    assert "the package 'no_such_package' is not installed" in errors(up, marks)


async def test_the_tap_reports_to_pipecat_when_the_user_speaks_and_interrupts_nothing(echo):
    turn = load(fixtures_root() / "cmd_red_block_window.toml").turns[0]
    speech = resample(read_pcm(turn), turn.rate_hz, 24_000)
    pcm = np.concatenate((speech, np.zeros(12_000, np.int16)))
    pipeline = Pipeline([MoshiProcessor(await echo()), passive_vad()])
    down, up = await run(pipeline, chunks(pcm, 480), settle_s=0.5)
    for frames in (down, up):
        told = (VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame)
        assert [type(f) for f in frames if isinstance(f, told)] == list(told)
    assert not any(isinstance(f, InterruptionFrame | BotStartedSpeakingFrame) for f in [*down, *up])


def test_no_attribute_hides_one_of_pipecats():
    base = FrameProcessor()
    processor = MoshiProcessor(ModelProcess("echo", "x:y", marks=MarkList()))
    own = {name for name in vars(processor) if name not in vars(base)}
    assert not own & set(dir(FrameProcessor))
    defined = set(vars(MoshiProcessor)) & set(dir(FrameProcessor))
    public = {n for n in defined if not n.startswith("__")}
    assert public <= {"setup", "process_frame", "cleanup", "_abc_impl"}
    for name, value in vars(base).items():
        assert type(vars(processor)[name]) is type(value), name
