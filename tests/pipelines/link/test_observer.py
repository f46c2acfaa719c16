"""Observer → marks: one mark for each event, with Pipecat's own values, and none for the rest."""

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    MetricsFrame,
    ProposedUserStoppedSpeakingFrame,
    STTMetadataFrame,
    TextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    ProcessingMetricsData,
    TextAggregationMetricsData,
    TTFAMetricsData,
    TTFATMetricsData,
    TTFBMetricsData,
    TurnMetricsData,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipelines.clock import NS_PER_MS, monotonic_ns
from pipelines.link.observer import TWIN_NS, MarkObserver, RawMonotonicClock
from pipelines.marks import EVENTS, MarkList

T = 7_000 * NS_PER_MS


class Watch:
    """An observer, and pushes made by hand."""

    def __init__(self):
        self.marks = MarkList()
        self._observer = MarkObserver(self.marks)
        self._somebody = IdentityFilter()

    async def see(self, frame, t_ns=T, direction=FrameDirection.DOWNSTREAM):
        await self._observer.on_push_frame(
            FramePushed(self._somebody, self._somebody, frame, direction, t_ns)
        )

    @property
    def found(self):
        return [(m.t_ns, m.stage, m.event, m.value, m.text) for m in self.marks.marks]


async def test_each_frame_that_matters_is_one_mark_with_the_frame_s_own_time():
    watch = Watch()
    frames = [
        (VADUserStartedSpeakingFrame(start_secs=0.3), "vad", "speech_start"),
        (UserStartedSpeakingFrame(), "turn", "start"),
        (InterruptionFrame(), "turn", "interruption"),
        (VADUserStoppedSpeakingFrame(stop_secs=0.4), "vad", "speech_stop"),
        (UserStoppedSpeakingFrame(), "turn", "release"),
        (BotStartedSpeakingFrame(), "pipecat", "bot_started"),
        (BotStoppedSpeakingFrame(), "pipecat", "bot_stopped"),
    ]
    for i, (frame, _, _) in enumerate(frames):
        await watch.see(frame, T + i)
    assert [f[:3] for f in watch.found] == [
        (T + i, stage, event) for i, (_, stage, event) in enumerate(frames)
    ]


async def test_the_frames_of_a_wait_carry_how_long_it_is_and_no_others_do():
    watch = Watch()
    await watch.see(VADUserStoppedSpeakingFrame(stop_secs=0.4))
    await watch.see(VADUserStartedSpeakingFrame(start_secs=0.3))
    await watch.see(STTMetadataFrame(service_name="stt", ttfs_p99_latency=1.5))
    await watch.see(ProposedUserStoppedSpeakingFrame())
    assert [f[1:4] for f in watch.found] == [
        ("vad", "speech_stop", 0.4),
        ("vad", "speech_start", 0.3),
        ("stt", "ttfs_p99", 1.5),
        ("turn", "proposed", None),
    ]


async def test_a_broadcast_s_twins_are_one_mark_of_the_earlier_time():
    watch = Watch()
    await watch.see(InterruptionFrame(), T)
    await watch.see(InterruptionFrame(), T + 40_000, FrameDirection.UPSTREAM)
    await watch.see(InterruptionFrame(), T + TWIN_NS)
    assert [f[0] for f in watch.found] == [T]


async def test_the_same_event_a_moment_later_is_another_mark():
    watch = Watch()
    for t_ns in (T, T + TWIN_NS + 1, T + 10 * TWIN_NS):
        await watch.see(VADUserStartedSpeakingFrame(), t_ns)
    assert [f[0] for f in watch.found] == [T, T + TWIN_NS + 1, T + 10 * TWIN_NS]


async def test_twins_of_one_kind_do_not_hide_another_kind():
    watch = Watch()
    await watch.see(UserStartedSpeakingFrame(), T)
    await watch.see(InterruptionFrame(), T + 1)
    assert [f[2] for f in watch.found] == ["start", "interruption"]


async def test_other_frames_make_no_marks():
    watch = Watch()
    await watch.see(InputAudioRawFrame(bytes(640), 16_000, 1))
    await watch.see(TextFrame("hello"))
    assert watch.found == []


async def test_an_error_s_sentence_is_kept():
    watch = Watch()
    await watch.see(ErrorFrame(error="the model broke"))
    assert watch.found == [(T, "agent", "error", None, "the model broke")]


METRICS = [
    (TTFBMetricsData(processor="p", value=0.25), "ttfb", 0.25),
    (TTFAMetricsData(processor="p", ttfa=0.4, ttfb=0.3, leading_silence=0.1), "ttfa", 0.4),
    (TTFATMetricsData(processor="p", ttfat=0.5, ttfb=0.2, thinking_time=0.3), "ttfat", 0.5),
    (ProcessingMetricsData(processor="p", value=0.125), "processing", 0.125),
    (TextAggregationMetricsData(processor="p", value=0.2), "text_aggregation", 0.2),
]


@pytest.mark.parametrize(("data", "event", "value"), METRICS, ids=[m[1] for m in METRICS])
async def test_pipecat_s_figures_keep_their_names_and_units(data, event, value):
    watch = Watch()
    await watch.see(MetricsFrame(data=[data]))
    assert watch.found == [(T, "pipecat", event, value, "p")]
    assert ("pipecat", event) in EVENTS


async def test_an_end_of_turn_verdict_is_its_cost_in_ms_and_its_probability():
    watch = Watch()
    verdict = TurnMetricsData(
        processor="p", is_complete=True, probability=0.9, e2e_processing_time_ms=34.5
    )
    await watch.see(MetricsFrame(data=[verdict]))
    assert [f[1:] for f in watch.found] == [
        ("pipecat", "turn", 34.5, "p"),
        ("turn", "analysis", 0.9, "complete"),
    ]


async def test_the_empty_rows_of_the_start_are_dropped_and_usage_makes_no_mark():
    usage = LLMTokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    watch = Watch()
    await watch.see(
        MetricsFrame(
            data=[
                TTFBMetricsData(processor="p", value=0.0),
                LLMUsageMetricsData(processor="p", value=usage),
                TTFBMetricsData(processor="p", value=0.001),
            ]
        )
    )
    assert [f[1:] for f in watch.found] == [("pipecat", "ttfb", 0.001, "p")]


class Talker(FrameProcessor):
    """Broadcasts an interruption, as the user aggregator does when a turn begins."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            await self.broadcast_frame(InterruptionFrame)
        else:
            await self.push_frame(frame, direction)


async def test_in_a_real_pipeline_a_broadcast_over_many_hops_is_one_mark_on_the_one_clock():
    marks = MarkList()
    worker = PipelineWorker(
        Pipeline([IdentityFilter(), Talker(), IdentityFilter(), IdentityFilter()]),
        params=PipelineParams(enable_metrics=True),
        observers=[MarkObserver(marks)],
        clock=RawMonotonicClock(),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    before_ns = monotonic_ns()
    await worker.queue_frame(TextFrame("go"))
    await worker.stop_when_done()
    await runner.run()
    assert [(m.stage, m.event) for m in marks.marks] == [("turn", "interruption")]
    assert before_ns < marks.marks[0].t_ns < monotonic_ns()
