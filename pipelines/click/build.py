"""A click agent of known delay, which calibrates the harness.

For each click that it finds in the input it answers with a click (or a spoken word) at a known
time: the click's own time + the delay, or, for delay 0, the end of the chunk that held it. The
answer sits at a random offset inside its chunk, so that the chunk grid hides no error.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import numpy as np
import numpy.typing as npt
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.click.options import CLICK_LEVEL, ClickOptions
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns, samples_to_ns
from pipelines.host import DUE_NS, Host
from pipelines.marks import MarkSink, stamp


class ClickAgent(FrameProcessor):
    """Answers clicks; see the module's docstring.

    Args:
        options: Delay and seed.
        marks: Takes marks of the deadlines.
        rate_hz: Output rate.
        chunk_samples: Samples of one output chunk.
        words: Int16 signals to answer with, one after the other, instead of clicks.
    """

    def __init__(
        self,
        options: ClickOptions,
        marks: MarkSink,
        rate_hz: int,
        chunk_samples: int,
        words: list[npt.NDArray[np.int16]],
    ) -> None:
        super().__init__()
        self._delay_ns = round(options.delay_ms * NS_PER_MS)
        self._threshold = options.threshold
        self._deaf_ns = round(options.deaf_ms * NS_PER_MS)
        self._deaf_until_ns = 0
        self._least_samples = round(options.answer_ms * rate_hz / 1_000)
        self._random = random.Random(options.seed)
        self._marks = marks
        self._rate_hz = rate_hz
        self._chunk_samples = chunk_samples
        self._words = words
        self._clicks = 0
        self._work: set[asyncio.Task[None]] = set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Looks for a click in each input chunk."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        pcm = np.frombuffer(frame.audio, np.int16)
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > self._threshold)
        for index in loud:
            due_ns: int = frame.metadata[DUE_NS]
            click_ns = due_ns - samples_to_ns(len(pcm) - int(index), frame.sample_rate)
            if click_ns < self._deaf_until_ns:
                continue
            self._deaf_until_ns = click_ns + self._deaf_ns
            target_ns = max(click_ns + self._delay_ns, due_ns)
            task = self.create_task(self._answer(self._clicks, target_ns))
            self._clicks += 1
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def _answer(self, n: int, target_ns: int) -> None:
        offset = self._random.randrange(self._chunk_samples)
        if self._words:
            sound = self._words[n % len(self._words)]
        else:
            sound = np.array([CLICK_LEVEL], np.int16)
        length = offset + len(sound)
        whole = max(length, self._least_samples)
        padded = -(-whole // self._chunk_samples) * self._chunk_samples
        pcm = np.zeros(padded, np.int16)
        pcm[offset:length] = sound
        # The sound is due at the target, so the chunk that holds it is written that much earlier.
        write_ns = target_ns - samples_to_ns(offset, self._rate_hz)
        self._marks.put(
            stamp("script", "deadline", t_ns=target_ns, request_id=f"click{n}", value=offset)
        )
        await asyncio.sleep(max(0, write_ns - monotonic_ns()) / NS_PER_S)
        await self.push_frame(OutputAudioRawFrame(pcm.tobytes(), self._rate_hz, 1))


async def build(host: Host) -> Pipeline:
    """Builds the click agent; ``host.extra["words"]`` makes it speak instead of click."""
    audio = host.spec.audio
    chunk = audio.out_rate_hz // 100 * audio.out_10ms_chunks
    extra: dict[str, Any] = host.extra
    options: ClickOptions = extra.get("click", host.options("click"))
    agent = ClickAgent(options, host.marks, audio.out_rate_hz, chunk, extra.get("words", []))
    return Pipeline([host.transport.input(), agent, host.transport.output()])
