"""Marks of a pipeline that stamps none itself: a user's own bot, or services of Pipecat's.

A stage's start and end are the pushes of the frames that carry them: the work of the frame's source
before it pushed is not seen. Pipecat calls observers later, so each mark takes the push's own time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pipecat.frames.frames import (
    AggregatedTextFrame,
    Frame,
    FunctionCallCancelFrame,
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
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.aggregators.llm_response_universal import LLMAssistantAggregator
from pipecat.processors.frame_processor import FrameDirection

from pipelines.clock import monotonic_ns
from pipelines.link.observer import TWIN_NS, MarkObserver
from pipelines.marks import EventName, MarkSink, Stage, stamp


@dataclass(slots=True)
class _Answer:
    """One answer of a language model, or of a model that speaks itself."""

    id: str
    asked: bool
    """True if a context was pushed for it; a realtime service needs none."""
    texts: list[str] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    taken: bool = False
    """Whether a model has begun to work on the context."""
    speakable: bool = False
    done: bool = False


@dataclass(slots=True)
class _Speech:
    """One request of the synthesiser."""

    id: str
    samples: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    """A text that the pipeline speaks without a language model: a TTSSpeakFrame."""

    text: str
    is_filler: bool
    """True if the frame says so itself."""


class StageObserver(MarkObserver):
    """The marks of `MarkObserver`, and those of STT, LLM and TTS as their frames show them."""

    def __init__(self, marks: MarkSink) -> None:
        super().__init__(marks)
        marks.put(stamp("agent", "guest"))
        self._shift_ns: int | None = None
        self._answer: _Answer | None = None
        self._speech: dict[str | None, _Speech] = {}
        self._requests = 0
        self._tools: set[str] = set()
        """Function calls that are running."""
        self._lines: list[_Line] = []
        """Lines that no synthesiser has begun yet, as they were pushed."""
        self._line_of: dict[str, _Line] = {}
        """Context of the synthesiser → the line that it speaks."""
        self._asked_ns = 0
        self._final: tuple[str, int] | None = None

    async def on_push_frame(self, data: FramePushed) -> None:
        """Marks a frame's first push, at the machine's time whatever clock the pipeline has."""
        if self._shift_ns is None:
            self._shift_ns = monotonic_ns() - data.source.get_clock().get_time()
        t_ns = data.timestamp + self._shift_ns
        # The assistant's aggregator, after the transport, pushes the context to no receiver.
        to_nobody = (
            isinstance(data.source, LLMAssistantAggregator)
            and data.direction is FrameDirection.DOWNSTREAM
        )
        if not to_nobody:
            self._stages(data.frame, t_ns)
        if isinstance(data.frame, UserStoppedSpeakingFrame) and t_ns - self._asked_ns <= TWIN_NS:
            t_ns = (
                self._asked_ns
            )  # Pipecat pushes the context first, then the permission to run: one act
        await super().on_push_frame(replace(data, timestamp=t_ns))

    def _stages(self, frame: Frame, t_ns: int) -> None:
        if isinstance(frame, TranscriptionFrame):
            self._transcript(frame, t_ns)
        elif isinstance(frame, InterimTranscriptionFrame):
            self._marks.put(stamp("stt", "partial", t_ns=t_ns, text=frame.text))
        elif isinstance(frame, LLMContextFrame):
            self._answer = _Answer(self._next("llm"), asked=True)
            self._put("llm", "request", t_ns, self._answer.id)
            self._asked_ns = t_ns
        elif isinstance(frame, LLMFullResponseStartFrame):
            self._taken(t_ns)
        elif isinstance(frame, LLMTextFrame):
            self._token(frame.text, t_ns)
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._ended(t_ns)
        elif isinstance(frame, MetricsFrame):
            self._usage(frame, t_ns)
        elif isinstance(frame, FunctionCallInProgressFrame):
            self._tool("tool_start", frame, t_ns)
        elif isinstance(frame, FunctionCallResultFrame | FunctionCallCancelFrame):
            self._tool("tool_end", frame, t_ns)
        elif isinstance(frame, TTSStartedFrame | TTSAudioRawFrame | TTSStoppedFrame):
            self._speaks(frame, t_ns)
        elif isinstance(frame, TTSSpeakFrame):
            self._lines.append(_Line(frame.text, bool(getattr(frame, "is_filler", False))))
        elif isinstance(frame, TTSTextFrame):
            if self._answer is not None and frame.context_id not in self._line_of:
                self._answer.spoken.append(frame.text)
        elif isinstance(frame, AggregatedTextFrame):
            self._announced(frame)
        elif isinstance(frame, InterruptionFrame):
            self._interrupted(t_ns)

    def _transcript(self, frame: TranscriptionFrame, t_ns: int) -> None:
        text, says_final = frame.text, float(frame.finalized)
        last, self._final = self._final, (text, t_ns)
        if last is None or last[0] != text or t_ns - last[1] > TWIN_NS:  # a broadcast's twin
            self._marks.put(stamp("stt", "final", t_ns=t_ns, value=says_final, text=text))

    def _taken(self, t_ns: int) -> None:
        """A model begins an answer; a context that no model takes has none."""
        answer = self._answer
        if answer is None or answer.done:
            self._answer = _Answer(self._next("llm"), asked=False)
        elif answer.asked and not answer.taken:
            answer.taken = True
            self._put("llm", "taken", t_ns, answer.id)

    def _token(self, text: str, t_ns: int) -> None:
        answer = self._answer
        if answer is None or answer.done:
            return
        if not answer.texts and answer.asked:
            self._put("llm", "first_token", t_ns, answer.id)
        if not answer.speakable and any(c.isalnum() for c in text):
            answer.speakable = True
            if answer.asked:
                self._put("llm", "first_speakable", t_ns, answer.id)
        answer.texts.append(text)

    def _ended(self, t_ns: int) -> None:
        answer = self._answer
        if answer is None or answer.done:
            return
        answer.done = True
        text = "".join(answer.texts)
        if answer.asked and (answer.texts or not answer.spoken):
            self._put("llm", "end", t_ns, answer.id, float(len(answer.texts)), text)
        elif words := text or " ".join(answer.spoken):
            self._put("agent", "answer_text", t_ns, answer.id, text=words)

    def _usage(self, frame: MetricsFrame, t_ns: int) -> None:
        """What a service says of its prefix cache; services count prompts with or without it."""
        for data in frame.data:
            if not isinstance(data, LLMUsageMetricsData) or self._answer is None:
                continue
            cached = data.value.cache_read_input_tokens
            if cached is not None and self._answer.asked:
                read = data.value.total_tokens - data.value.completion_tokens - cached
                self._put("llm", "prompt_read", t_ns, self._answer.id, float(max(0, read)))
                self._put("llm", "prompt_cached", t_ns, self._answer.id, float(cached))

    def _announced(self, frame: AggregatedTextFrame) -> None:
        """The synthesiser says which text it speaks next, before it begins."""
        line = next((line for line in self._lines if line.text == frame.text), None)
        if line is not None and frame.context_id:
            self._lines.remove(line)
            self._line_of[frame.context_id] = line

    def _tool(self, event: EventName, frame: Any, t_ns: int) -> None:
        """A function's begin or end; a broadcast's twin says nothing new."""
        if (frame.tool_call_id in self._tools) != (event == "tool_start"):
            self._tools ^= {frame.tool_call_id}
            self._put("llm", event, t_ns, frame.tool_call_id, text=frame.function_name)

    def _speaks(self, frame: Frame, t_ns: int) -> None:
        context: str | None = getattr(frame, "context_id", None)
        if isinstance(frame, TTSStartedFrame):
            line = self._line_of.get(context or "")
            asked = line is None and self._answer is not None and self._answer.asked
            of = f"{self._answer.id}/" if asked and self._answer is not None else ""
            speech = self._speech[context] = _Speech(f"{of}{self._next('tts')}")
            text = line.text if line is not None else None
            is_filler = 1.0 if line is not None and line.is_filler else None
            self._put("tts", "request", t_ns, speech.id, is_filler, text)
        elif context not in self._speech:
            return
        elif isinstance(frame, TTSAudioRawFrame):
            speech = self._speech[context]
            if not speech.samples:
                first = float(frame.num_frames)
                self._put("tts", "first_byte", t_ns, speech.id, first, context)
            speech.samples += frame.num_frames
        else:
            speech = self._speech.pop(context)
            if speech.samples:
                self._put("tts", "end", t_ns, speech.id, float(speech.samples))

    def _interrupted(self, t_ns: int) -> None:
        if self._answer is not None and not self._answer.done:
            self._answer.done = True
            if self._answer.asked:
                self._put("llm", "cancelled", t_ns, self._answer.id)
        for speech in self._speech.values():
            self._put("tts", "cancelled", t_ns, speech.id)
        self._speech.clear()

    def _next(self, stage: Stage) -> str:
        self._requests += 1
        return f"{stage}-{self._requests}"

    def _put(
        self,
        stage: Stage,
        event: EventName,
        t_ns: int,
        request_id: str,
        value: float | None = None,
        text: str | None = None,
    ) -> None:
        self._marks.put(
            stamp(stage, event, t_ns=t_ns, request_id=request_id, value=value, text=text)
        )
