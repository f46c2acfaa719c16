"""Observer → marks: what the VAD, the turn controller and Pipecat's own metrics say. No arithmetic.

Pipecat calls observers later, from a queue, so every mark takes the frame's own timestamp.
"""

from __future__ import annotations

from pipecat.clocks.base_clock import BaseClock
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EagerEndOfTurnCancelFrame,
    EagerTranscriptionFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    MetricsFrame,
    ProposedUserStoppedSpeakingFrame,
    STTMetadataFrame,
    TTSAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import (
    ProcessingMetricsData,
    TextAggregationMetricsData,
    TTFAMetricsData,
    TTFATMetricsData,
    TTFBMetricsData,
    TurnMetricsData,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_output import BaseOutputTransport

from pipelines.clock import monotonic_ns
from pipelines.marks import EventName, MarkSink, StageEvent, stamp

FRAME_MARKS: dict[type[Frame], StageEvent] = {
    VADUserStartedSpeakingFrame: ("vad", "speech_start"),
    VADUserStoppedSpeakingFrame: ("vad", "speech_stop"),
    UserStartedSpeakingFrame: ("turn", "start"),
    ProposedUserStoppedSpeakingFrame: ("turn", "proposed"),
    EagerTranscriptionFrame: ("turn", "predicted"),
    EagerEndOfTurnCancelFrame: ("turn", "withdrawn"),
    UserStoppedSpeakingFrame: ("turn", "release"),
    InterruptionFrame: ("turn", "interruption"),
    STTMetadataFrame: ("stt", "ttfs_p99"),
    BotStartedSpeakingFrame: ("pipecat", "bot_started"),
    BotStoppedSpeakingFrame: ("pipecat", "bot_stopped"),
}
"""Frame → the mark that its first push is."""

FRAME_VALUES: dict[type[Frame], str] = {
    VADUserStartedSpeakingFrame: "start_secs",
    VADUserStoppedSpeakingFrame: "stop_secs",
    STTMetadataFrame: "ttfs_p99_latency",
}
"""Frame → its field that is the mark's value."""

METRIC_MARKS: dict[type, tuple[EventName, str]] = {
    TTFBMetricsData: ("ttfb", "value"),
    TTFAMetricsData: ("ttfa", "ttfa"),
    TTFATMetricsData: ("ttfat", "ttfat"),
    ProcessingMetricsData: ("processing", "value"),
    TextAggregationMetricsData: ("text_aggregation", "value"),
    TurnMetricsData: ("turn", "e2e_processing_time_ms"),
}
"""Pipecat's metrics class → (our event, its field)."""


TWIN_NS = 10_000_000
"""Time within which frames of one type are one event: a broadcast makes two frames, and some
processors broadcast again what they received (no voice starts, and no turn ends, twice in that
time)."""


class RawMonotonicClock(BaseClock):
    """Pipecat's clock interface over the machine's one clock, so that timestamps need no shift."""

    def get_time(self) -> int:
        """Nanoseconds of the machine's monotonic clock."""
        return monotonic_ns()

    def start(self) -> None:
        """Nothing to start: the clock always runs."""


class MarkObserver(BaseObserver):
    """Writes marks of the frames that `FRAME_MARKS` names, and of Pipecat's MetricsFrames."""

    def __init__(self, marks: MarkSink) -> None:
        super().__init__(observe_every_push=False)
        self._marks = marks
        self._last_ns: dict[type[Frame], int] = {}
        self._rate_hz = 0

    async def on_push_frame(self, data: FramePushed) -> None:
        """Marks a frame's first push; a broadcast's twins are one event."""
        frame, t_ns = data.frame, data.timestamp
        if isinstance(frame, MetricsFrame):
            self._metrics(frame, t_ns)
        elif isinstance(frame, TTSAudioRawFrame):
            # The transport's own chunks have the link's rate.
            is_voice = not isinstance(data.source, BaseOutputTransport)
            if is_voice and frame.sample_rate != self._rate_hz:
                self._rate_hz = frame.sample_rate
                self._marks.put(stamp("tts", "rate", t_ns=t_ns, value=float(frame.sample_rate)))
        elif isinstance(frame, ErrorFrame):
            self._marks.put(stamp("agent", "error", t_ns=t_ns, text=str(frame.error)))
        elif event := FRAME_MARKS.get(type(frame)):
            last_ns = self._last_ns.get(type(frame))
            if last_ns is None or t_ns - last_ns > TWIN_NS:
                self._last_ns[type(frame)] = t_ns
                field = FRAME_VALUES.get(type(frame))
                value = getattr(frame, field) if field else None
                self._marks.put(stamp(*event, t_ns=t_ns, value=value))

    def _metrics(self, frame: MetricsFrame, t_ns: int) -> None:
        for data in frame.data:
            if type(data) not in METRIC_MARKS:
                continue
            event, field = METRIC_MARKS[type(data)]
            value = getattr(data, field)
            if isinstance(data, TTFBMetricsData | ProcessingMetricsData) and value == 0.0:
                continue  # the empty rows that Pipecat emits at the start
            self._marks.put(stamp("pipecat", event, t_ns=t_ns, value=value, text=data.processor))
            if isinstance(data, TurnMetricsData):
                self._marks.put(
                    stamp(
                        "turn",
                        "analysis",
                        t_ns=t_ns,
                        value=data.probability,
                        text="complete" if data.is_complete else "incomplete",
                    )
                )
