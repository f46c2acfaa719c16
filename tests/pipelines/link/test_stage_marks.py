"""Stages of a pipeline that stamps nothing, read off its frames at the machine's time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import (
    AggregatedTextFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
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
    TTSTextFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType

from bench.metrics.reading import read_trial
from bench.metrics.stages import pipecats
from bench.store.records import Trial
from pipelines.clock import NS_PER_MS, monotonic_ns
from pipelines.link.stage_marks import StageObserver
from pipelines.marks import Mark, MarkList

MS = NS_PER_MS


@dataclass
class Source:
    """Stands for a processor of a pipeline whose clock began at its own zero."""

    zero_ns: int

    def get_clock(self):
        return self

    def get_time(self):
        return monotonic_ns() - self.zero_ns


def pushed(*frames, source: Any = None, direction=FrameDirection.DOWNSTREAM):
    """Marks of frames that are pushed 50 ms apart: (event, ms since the clock began, mark)."""
    marks = MarkList()
    zero_ns = monotonic_ns() - 1000 * MS
    observer = StageObserver(marks)

    async def push():
        for i, frame in enumerate(frames):
            at: Any = source or Source(zero_ns)
            await observer.on_push_frame(FramePushed(at, None, frame, direction, i * 50 * MS))

    asyncio.run(push())
    return [
        (f"{m.stage}.{m.event}", round((m.t_ns - zero_ns) / MS), m)
        for m in marks.marks
        if m.event != "guest"
    ]


def audio(samples, context="c"):
    return TTSAudioRawFrame(bytes(2 * samples), 24000, 1, context_id=context)


def context():
    return LLMContextFrame(LLMContext())


def named(found):
    return [(name, at) for name, at, _ in found]


def test_a_cascades_frames_become_its_stages():
    found = pushed(
        InterimTranscriptionFrame("hel", "", ""),
        TranscriptionFrame("hello", "", ""),
        context(),
        LLMFullResponseStartFrame(),
        LLMTextFrame(" "),
        LLMTextFrame("Hi."),
        LLMFullResponseEndFrame(),
        TTSStartedFrame(context_id="c"),
        audio(100),
        audio(50),
        TTSStoppedFrame(context_id="c"),
    )
    assert named(found) == [
        ("stt.partial", 0),
        ("stt.final", 50),
        ("llm.request", 100),
        ("llm.taken", 150),
        ("llm.first_token", 200),
        ("llm.first_speakable", 250),
        ("llm.end", 300),
        ("tts.request", 350),
        ("tts.first_byte", 400),
        ("tts.rate", 400),
        ("tts.end", 500),
    ]
    marks = {name: mark for name, _, mark in found}
    assert marks["llm.end"].text == " Hi."
    assert marks["llm.end"].value == 2
    assert marks["tts.first_byte"].value == 100
    assert marks["tts.rate"].value == 24000
    assert marks["tts.end"].value == 150
    assert marks["stt.final"].value == 0
    assert marks["tts.request"].request_id == f"{marks['llm.request'].request_id}/tts-2"


def usage(cached):
    tokens = LLMTokenUsage(
        prompt_tokens=120,
        completion_tokens=7,
        total_tokens=127,
        cache_read_input_tokens=cached,
    )
    return MetricsFrame(data=[LLMUsageMetricsData(processor="llm", value=tokens)])


def test_what_a_service_says_of_its_prefix_cache_is_of_its_request():
    found = pushed(context(), LLMTextFrame("Hi."), usage(100), LLMFullResponseEndFrame())
    of = {name: (mark.value, mark.request_id) for name, _, mark in found if "prompt" in name}
    assert of == {"llm.prompt_read": (20.0, "llm-1"), "llm.prompt_cached": (100.0, "llm-1")}


def test_a_service_that_says_nothing_of_a_cache_leaves_no_mark_of_one():
    found = pushed(context(), LLMTextFrame("Hi."), usage(None))
    assert not [name for name, _ in named(found) if "prompt" in name]


def test_a_model_that_speaks_itself_reports_its_text_and_asks_for_no_request():
    found = pushed(
        LLMFullResponseStartFrame(),
        TTSTextFrame("Hello", TextType.SENTENCE),
        TTSTextFrame("you.", TextType.SENTENCE),
        LLMFullResponseEndFrame(),
    )
    assert named(found) == [("agent.answer_text", 150)]
    assert found[0][2].text == "Hello you."


def test_an_interruption_cancels_what_was_open_and_only_that():
    found = pushed(
        context(),
        LLMTextFrame("A"),
        TTSStartedFrame(context_id="c"),
        audio(10),
        InterruptionFrame(),
        LLMTextFrame("B"),
        audio(10),
        InterruptionFrame(),
    )
    assert [name for name, _ in named(found)] == [
        "llm.request",
        "llm.first_token",
        "llm.first_speakable",
        "tts.request",
        "tts.first_byte",
        "tts.rate",
        "llm.cancelled",
        "tts.cancelled",
        "turn.interruption",
        "turn.interruption",
    ]


def test_a_release_that_is_pushed_just_after_its_request_is_one_act_with_it():
    marks = MarkList()
    observer = StageObserver(marks)
    at: Any = Source(monotonic_ns())

    async def push():
        for frame, t_ms in ((context(), 0), (UserStoppedSpeakingFrame(), 1)):
            down = FrameDirection.DOWNSTREAM
            await observer.on_push_frame(FramePushed(at, None, frame, down, t_ms * MS))

    asyncio.run(push())
    times = {m.event: m.t_ns for m in marks.marks}
    assert times["release"] == times["request"]


def test_a_transcripts_twin_is_no_second_transcript():
    marks = MarkList()
    observer = StageObserver(marks)
    at: Any = Source(monotonic_ns())

    async def push():
        for t_ms in (0, 1, 500):
            frame = TranscriptionFrame("yes", "", "")
            down = FrameDirection.DOWNSTREAM
            await observer.on_push_frame(FramePushed(at, None, frame, down, t_ms * MS))

    asyncio.run(push())
    assert [m.text for m in marks.marks if m.event == "final"] == ["yes", "yes"]


def test_the_context_that_the_assistants_aggregator_hands_on_is_no_request():
    class After(LLMAssistantAggregator):
        def get_clock(self):
            return Source(0)

    async def make():
        return After(LLMContext())

    after = asyncio.run(make())
    assert pushed(context(), source=after) == []
    up = pushed(context(), source=after, direction=FrameDirection.UPSTREAM)
    assert [name for name, _ in named(up)] == ["llm.request"]


def trial_of(marks):
    trial = Trial("r", "t", "p", "f", 0, t0_ns=0, rate_hz=24000, turns=1)
    said = [
        Mark(100 * MS, "user", "turn_start", turn=0),
        Mark(100 * MS, "user", "speech_on", turn=0),
        Mark(900 * MS, "user", "speech_off", turn=0),
    ]
    return read_trial(trial, [*said, *marks], None, None)


def test_pipecats_own_metrics_are_medians_by_processor_of_pipelines_that_are_not_ours():
    told = [
        Mark(50 * MS, "pipecat", "ttfb", value=9.0, text="Llm#0"),  # the greeting's
        Mark(950 * MS, "pipecat", "ttfb", value=0.2, text="Llm#0"),
        Mark(960 * MS, "pipecat", "ttfb", value=0.4, text="Llm#1"),
        Mark(970 * MS, "pipecat", "ttfb", value=0.125, text="Tts#0"),
    ]
    guest = Mark(0, "agent", "guest")
    found = {r.subject: r.value for r in pipecats("ttfb")(trial_of([guest, *told]))}
    assert found == {"Llm": 300.0, "Tts": 125.0}
    assert pipecats("ttfb")(trial_of(told)) == []


def spoken(text, context):
    """A synthesiser's announcement of a text, and its audio."""
    said = AggregatedTextFrame(text, TextType.SENTENCE)
    said.context_id = context
    return [said, TTSStartedFrame(context_id=context), audio(240, context)]


def test_a_line_beside_the_language_model_is_a_request_of_its_own_with_its_words():
    found = pushed(
        context(),
        TTSSpeakFrame("let me check."),
        *spoken("let me check.", "x"),
        LLMTextFrame("it is there."),
        *spoken("it is there.", "y"),
    )
    requests = [(m.request_id, m.text, m.value) for name, _, m in found if name == "tts.request"]
    assert requests == [("tts-2", "let me check.", None), ("llm-1/tts-3", None, None)]


def test_a_line_that_calls_itself_a_filler_is_marked_so():
    line = TTSSpeakFrame("one moment.")
    line.is_filler = True  # type: ignore[attr-defined]  # an attribute of the bot's own
    found = pushed(line, *spoken("one moment.", "x"))
    assert [m.value for name, _, m in found if name == "tts.request"] == [1.0]


def test_a_function_call_is_marked_from_its_begin_to_its_result_once():
    call: dict[str, Any] = {"function_name": "look", "tool_call_id": "t1", "arguments": {}}
    found = pushed(
        FunctionCallInProgressFrame(**call),
        FunctionCallInProgressFrame(**call),
        FunctionCallResultFrame(**call, result={}),
        FunctionCallResultFrame(**call, result={}),
    )
    assert [(name, at, m.text, m.request_id) for name, at, m in found] == [
        ("llm.tool_start", 0, "look", "t1"),
        ("llm.tool_end", 100, "look", "t1"),
    ]


def test_an_answer_without_a_word_has_an_end_too():
    found = pushed(context(), LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
    assert [(name, m.value, m.text) for name, _, m in found] == [
        ("llm.request", None, None),
        ("llm.taken", None, None),
        ("llm.end", 0.0, ""),
    ]
