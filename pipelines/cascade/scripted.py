"""A cascade without models and with known answers: the ruler's own test piece.

Four stages on absolute deadlines after the user's last audible sample (which only scripted presets
may know from the labels). Each stamps its mark when it really acts, and its deadline, so that the
stages' lateness can be separated from the harness's error.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import numpy as np
from pipecat.frames.frames import (
    DataFrame,
    Frame,
    InputAudioRawFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.cascade.script import ScriptOptions
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from pipelines.host import Host, LabelFeed
from pipelines.marks import EventName, MarkSink, Stage, stamp

TONE_HZ = 440.0


async def sleep_until(t_ns: int) -> None:
    """Waits for an absolute time; asyncio's timers are late by up to 1 ms or so, never early."""
    await asyncio.sleep(max(0, t_ns - monotonic_ns()) / NS_PER_S)


@dataclass(slots=True)
class TurnScript:
    """The deadlines of one turn, in ns on the machine's clock."""

    turn: int
    turn_wait_ns: int
    stt_ns: int
    llm_ns: int
    tts_ns: int


@dataclass
class TurnFrame(DataFrame):
    """Carries a turn's deadlines from stage to stage."""

    script: TurnScript


class ScriptedTurns(FrameProcessor):
    """VAD, end of turn and STT in one: releases each turn when its deadline comes."""

    def __init__(
        self, options: ScriptOptions, labels: LabelFeed, marks: MarkSink, trial_id: str
    ) -> None:
        super().__init__()
        self._options = options
        self._labels = labels
        self._marks = marks
        self._random = random.Random(f"{options.seed} {trial_id}")
        self._turns = 0
        self._work: set[asyncio.Task[None]] = set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Checks with each input chunk whether a new turn has been scheduled."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            while self._turns < len(self._labels.speech):
                u_off_ns = self._labels.speech[self._turns][1]
                script = self._draw(self._turns, u_off_ns)
                self._turns += 1
                task = self.create_task(self._release(script))
                self._work.add(task)
                task.add_done_callback(self._work.discard)
        else:
            await self.push_frame(frame, direction)

    def _draw(self, turn: int, u_off_ns: int) -> TurnScript:
        o = self._options
        delays_ms = [o.turn_wait_ms, o.stt_ms, o.llm_ttft_ms, o.tts_ttfb_ms]
        if o.random:
            delays_ms = [self._random.uniform(0.3, 1.7) * d for d in delays_ms]
        at, times = u_off_ns, []
        for delay_ms in delays_ms:
            at += round(delay_ms * NS_PER_MS)
            times.append(at)
        return TurnScript(turn, *times)

    async def _release(self, script: TurnScript) -> None:
        request = f"stt{script.turn}"
        await sleep_until(script.turn_wait_ns)
        self._put("vad", "speech_stop", script.turn_wait_ns, request, script.turn)
        self._put("stt", "finalize", script.turn_wait_ns, request, script.turn)
        await sleep_until(script.stt_ns)
        self._put("stt", "final", script.stt_ns, request, script.turn)
        await self.push_frame(TranscriptionFrame("", "user", "", finalized=True))
        await self.push_frame(UserStoppedSpeakingFrame())
        await self.push_frame(TurnFrame(script))

    def _put(
        self, stage: Stage, event: EventName, deadline_ns: int, request: str, turn: int
    ) -> None:
        put(self._marks, stage, event, deadline_ns, request, turn)


def put(
    marks: MarkSink, stage: Stage, event: EventName, deadline_ns: int, request: str, turn: int
) -> None:
    """Stamps the event that just happened, and its deadline."""
    marks.put(stamp(stage, event, turn=turn, request_id=request))
    marks.put(
        stamp(
            "script",
            "deadline",
            t_ns=deadline_ns,
            turn=turn,
            request_id=request,
            text=f"{stage}.{event}",
        )
    )


class ScriptedLLM(FrameProcessor):
    """Answers with one clause when its deadline comes."""

    def __init__(self, options: ScriptOptions, marks: MarkSink) -> None:
        super().__init__()
        self._options = options
        self._marks = marks

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Turns a released turn into the answer's text."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TurnFrame):
            script, request = frame.script, f"llm{frame.script.turn}"
            self._marks.put(stamp("llm", "request", turn=script.turn, request_id=request))
            await sleep_until(script.llm_ns)
            for event in ("first_token", "first_speakable", "to_tts"):
                put(self._marks, "llm", event, script.llm_ns, request, script.turn)
            await self.push_frame(LLMTextFrame(self._options.answer))
            self._marks.put(
                stamp(
                    "llm",
                    "end",
                    turn=script.turn,
                    request_id=request,
                    text=self._options.answer,
                    value=1,
                )
            )
        await self.push_frame(frame, direction)


class ScriptedTTS(FrameProcessor):
    """Speaks a tone whose first sample is audible when its deadline comes."""

    def __init__(self, options: ScriptOptions, marks: MarkSink, rate_hz: int) -> None:
        super().__init__()
        self._marks = marks
        self._rate_hz = rate_hz
        t = np.arange(round(options.speech_s * rate_hz)) / rate_hz
        tone = 0.3 * 32767 * np.cos(2 * np.pi * TONE_HZ * t)
        self._audio = tone.astype(np.int16).tobytes()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Turns a turn's answer into audio."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TurnFrame):
            script, request = frame.script, f"tts{frame.script.turn}"
            self._marks.put(stamp("tts", "request", turn=script.turn, request_id=request))
            await sleep_until(script.tts_ns)
            put(self._marks, "tts", "first_byte", script.tts_ns, request, script.turn)
            self._marks.put(
                stamp("tts", "first_audible", turn=script.turn, request_id=request, value=0)
            )
            await self.push_frame(TTSStartedFrame())
            await self.push_frame(TTSAudioRawFrame(self._audio, self._rate_hz, 1))
            samples = len(self._audio) // 2
            self._marks.put(
                stamp("tts", "end", turn=script.turn, request_id=request, value=samples)
            )
            await self.push_frame(TTSStoppedFrame())
            return
        if not isinstance(frame, LLMTextFrame):
            await self.push_frame(frame, direction)


async def build(host: Host) -> Pipeline:
    """Builds the scripted cascade."""
    options: ScriptOptions = host.options("script")
    assert host.labels is not None  # spec.sees_labels is checked when the preset is loaded
    return Pipeline(
        [
            host.transport.input(),
            ScriptedTurns(options, host.labels, host.marks, host.trial_id),
            ScriptedLLM(options, host.marks),
            ScriptedTTS(options, host.marks, host.spec.audio.out_rate_hz),
            host.transport.output(),
        ]
    )
