"""Writes down, for the memory alone, what users of duplex models say.

A recogniser of ours in a process of its own, at idle priority, hears each utterance when it is
over. Nothing waits for it: where it does not keep up, the oldest utterances are passed over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S, ns_to_samples, samples_to_ns
from pipelines.engines.options import SttOptions
from pipelines.engines.processes import stt_engine
from pipelines.errors import LabError
from pipelines.marks import NoMarks
from pipelines.process import environment
from pipelines.process.process import ModelProcess
from pipelines.server.session.events import AudioIn, Control

RATE_HZ = 16_000
"""Rate of the recognisers."""
BEFORE_MS, AFTER_MS = 300, 200
"""Audio before and behind what the VAD calls speech that is heard too."""
KEPT_S = 60.0
"""Audio of the user that is kept; the beginning of a longer utterance is not heard."""
MOST_WAITING = 8
"""Utterances that may wait for the recogniser."""
UTTERANCE_S = 120.0
"""Longest time for the recogniser to understand one, s: it gets what the voice leaves over."""


def recogniser(options: SttOptions) -> ModelProcess:
    """The recogniser's process, not started yet.

    Raises:
        LabError: its model's files or its environment are not there.
    """
    e = stt_engine(options)
    return ModelProcess(
        f"{e.name} (listener)",
        "pipelines.process.idle:IdleEngine",
        {"engine": e.engine, "options": e.options},
        marks=NoMarks(),
        interpreter=environment.ensure(e.environment) if e.environment else None,
        load_timeout_s=max(UTTERANCE_S, e.load_timeout_s),
        request_timeout_s=UTTERANCE_S,
        cancel_grace_s=e.cancel_grace_s,
    )


@dataclass(slots=True)
class Listener:
    """Of one conversation.

    Args:
        process: The recogniser, which may serve others too.
        rate_hz: Of the user's audio.
        heard: Told each utterance's words.
        failed: Told in a sentence that the recogniser failed.
    """

    process: ModelProcess
    rate_hz: int
    heard: Callable[[str], None]
    failed: Callable[[str], None]
    missed: int = 0
    """Utterances that were passed over."""
    _pieces: deque[tuple[int, bytes]] = field(default_factory=deque)
    """(time of the first sample, samples)."""
    _start_ns: int | None = None
    _waiting: deque[bytes] = field(default_factory=deque)
    _work: asyncio.Task[None] | None = None

    def push(self, chunk: AudioIn) -> None:
        """Takes the user's audio."""
        length_ns = samples_to_ns(len(chunk.pcm) // 2, self.rate_hz)
        self._pieces.append((chunk.due_ns - length_ns, chunk.pcm))
        oldest_ns = chunk.due_ns - round(KEPT_S * NS_PER_S)
        while self._pieces[0][0] < oldest_ns:
            self._pieces.popleft()

    def speaking(self, event: Control) -> None:
        """Takes what the VAD found: the user's speech began, or ended."""
        if event.value == "true":
            if self._start_ns is None:
                self._start_ns = event.t_ns
        elif self._start_ns is not None:
            said = self._cut(
                self._start_ns - BEFORE_MS * NS_PER_MS, event.t_ns + AFTER_MS * NS_PER_MS
            )
            self._start_ns = None
            self._queue(said)

    async def finish(self) -> None:
        """Waits until what was said is understood; the user says nothing more."""
        if self._start_ns is not None and self._pieces:
            self._queue(self._cut(self._start_ns - BEFORE_MS * NS_PER_MS, 1 << 62))
            self._start_ns = None
        if self._work is not None:
            await asyncio.wait({self._work})

    def _cut(self, from_ns: int, to_ns: int) -> bytes:
        """The user's audio between two times."""
        cut: list[bytes] = []
        for start_ns, pcm in self._pieces:
            first = max(0, ns_to_samples(from_ns - start_ns, self.rate_hz))
            last = max(0, ns_to_samples(to_ns - start_ns, self.rate_hz))
            cut.append(pcm[2 * first : 2 * last])
        return b"".join(cut)

    def _queue(self, pcm: bytes) -> None:
        if not pcm:
            return
        self._waiting.append(pcm)
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.missed += 1
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while self._waiting:
            pcm = self._waiting.popleft()
            try:
                if text := await self._understand(pcm):
                    self.heard(text)
            except LabError as error:
                self.failed(str(error))

    async def _understand(self, pcm: bytes) -> str:
        audio = np.frombuffer(pcm, "<i2")
        at_16k = await asyncio.to_thread(resample, audio, self.rate_hz, RATE_HZ)
        await self.process.ensure_running()
        request = self.process.open("utterance", {"fresh": True}, fed=True)
        request.feed(payload=at_16k.tobytes(), last=False)
        request.feed(last=True)
        text = ""
        async for header, _ in request:
            text = str(header.get("final", text))
        return text.strip()
