"""An observer that reads a session's events off the frames of a pipeline, whoever built it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    InterimTranscriptionFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData, TTFBMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_output import BaseOutputTransport

from pipelines.clock import NS_PER_S
from pipelines.duplex.frames import DuplexContextEndFrame
from pipelines.link.observer import TWIN_NS
from pipelines.phones import PHONES, PHONES_AT
from pipelines.server.session.backend import Emit
from pipelines.server.session.events import (
    AssistantPartial,
    Control,
    Event,
    Failure,
    LatencyMark,
    Phones,
    ToolCall,
    ToolCancelled,
    ToolResult,
    TurnEnd,
    Usage,
    UserPartial,
)
from pipelines.watch.frames import (
    PhysicalTaskCancelledFrame,
    PhysicalTaskFrame,
    PhysicalTaskPlannedFrame,
)
from pipelines.watch.schema import TOOL


class SessionTap(BaseObserver):
    """Frames → events; a broadcast's twins are one event.

    Args:
        emit: Takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        super().__init__(observe_every_push=False)
        self._emit = emit
        self._last_ns: dict[tuple[object, ...], int] = {}
        self._writes = False
        """True once a language model's text was seen: what is spoken repeats it."""
        self._filler_lines: list[str] = []
        """Texts of fillers that no synthesiser has begun yet."""
        self.fillers: set[str] = set()
        """Ids of the utterances that only fill a wait."""

    async def on_push_frame(self, data: FramePushed) -> None:
        """Emits what a frame's first push says."""
        frame, t_ns = data.frame, data.timestamp
        if isinstance(frame, TTSSpeakFrame):
            if getattr(frame, "is_filler", False):
                self._filler_lines.append(frame.text)
        elif isinstance(frame, AggregatedTextFrame) and not isinstance(frame, TTSTextFrame):
            if frame.context_id and frame.text in self._filler_lines:
                self._filler_lines.remove(frame.text)
                self.fillers.add(frame.context_id)
        elif isinstance(frame, FunctionCallsStartedFrame):
            for call in _calls(frame, t_ns):
                self._emit_once(call, (type(frame), call.call_id))
        elif isinstance(frame, TTSAudioRawFrame):
            if PHONES in frame.metadata and not isinstance(data.source, BaseOutputTransport):
                self._emit(_phones(frame, t_ns))
        elif isinstance(frame, MetricsFrame):
            for one in frame.data:
                if isinstance(one, TTFBMetricsData) and one.value:
                    self._emit(LatencyMark(t_ns, "ttfb", one.value * 1_000, one.processor))
                elif isinstance(one, LLMUsageMetricsData):
                    used = one.value
                    self._emit(Usage(t_ns, used.prompt_tokens, used.completion_tokens))
        elif (found := self._event(frame, t_ns)) is not None:
            self._emit_once(*found)

    def _emit_once(self, event: Event, key: tuple[object, ...]) -> None:
        """Emits an event, unless its twin was emitted just now."""
        last_ns = self._last_ns.get(key)
        if last_ns is None or event.t_ns - last_ns > TWIN_NS:
            self._last_ns[key] = event.t_ns
            self._emit(event)

    def _event(self, frame: Frame, t_ns: int) -> tuple[Event, tuple[object, ...]] | None:
        """A frame's event, and what its twin would have in common with it."""
        kind = type(frame)
        if isinstance(frame, VADUserStartedSpeakingFrame):
            began_ns = t_ns - round(frame.start_secs * NS_PER_S)
            return Control(began_ns, "user_speaking", "true"), (kind,)
        if isinstance(frame, VADUserStoppedSpeakingFrame):
            ended_ns = t_ns - round(frame.stop_secs * NS_PER_S)
            return Control(ended_ns, "user_speaking", "false"), (kind,)
        if isinstance(frame, UserStoppedSpeakingFrame):
            return TurnEnd(t_ns, "user"), (kind,)
        if isinstance(frame, InterimTranscriptionFrame):
            return UserPartial(t_ns, frame.text), (kind, frame.text)
        if isinstance(frame, TranscriptionFrame):
            return UserPartial(t_ns, frame.text, final=True), (kind, frame.text)
        if isinstance(frame, LLMTextFrame):
            self._writes = True
            return AssistantPartial(t_ns, frame.text), (kind, frame.id)
        if isinstance(frame, TTSTextFrame):
            if self._writes:
                return None
            return AssistantPartial(t_ns, f"{frame.text} "), (kind, frame.id)
        if isinstance(frame, FunctionCallResultFrame):
            result = ToolResult(t_ns, frame.tool_call_id, frame.function_name, frame.result)
            return result, (kind, frame.tool_call_id)
        if isinstance(frame, DuplexContextEndFrame) and frame.policy == "stop":
            return Failure(t_ns, frame.text, what="context_full"), (kind,)
        if isinstance(frame, PhysicalTaskFrame):
            return ToolCall(t_ns, frame.call_id, TOOL, dict(frame.arguments)), (kind, frame.call_id)
        if isinstance(frame, PhysicalTaskCancelledFrame):
            return ToolCancelled(t_ns, frame.call_id), (kind, frame.call_id)
        if isinstance(frame, PhysicalTaskPlannedFrame):
            plan = ToolResult(t_ns, frame.call_id, TOOL, {"plan": frame.plan}, is_late=True)
            return plan, (kind, frame.call_id)
        return None


def _calls(frame: FunctionCallsStartedFrame, t_ns: int) -> list[ToolCall]:
    """The functions that one answer of the model's calls; the pipeline runs them, as a rule."""
    last = len(frame.function_calls) - 1
    return [
        ToolCall(
            t_ns,
            call.tool_call_id,
            call.function_name,
            _table(call.arguments),
            answered_here=True,
            goes_on=n < last,
        )
        for n, call in enumerate(frame.function_calls)
    ]


def _phones(frame: TTSAudioRawFrame, t_ns: int) -> Phones:
    """The phones of a piece that a synthesiser has made."""
    return Phones(
        t_ns,
        tuple((str(name), float(start), float(end)) for name, start, end in frame.metadata[PHONES]),
        samples=len(frame.audio) // 2,
        offset_ms=float(frame.metadata.get(PHONES_AT, 0.0)),
        rate_hz=frame.sample_rate,
    )


def _table(arguments: Any) -> Mapping[str, Any]:
    """A call's arguments as a table; those of a text that is no JSON object under ``text``."""
    if isinstance(arguments, Mapping):
        return dict(arguments)
    try:
        read = json.loads(arguments)
    except (TypeError, ValueError):
        return {"text": str(arguments)}
    return read if isinstance(read, dict) else {"text": str(arguments)}
