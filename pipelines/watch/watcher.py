"""`IntentWatcher`: a tap on the text stream. It reads the words and calls tasks.

It is no gate: every frame is pushed on, unchanged, before anything else is done with it. The words
are read in a process of their own, so that the voice never waits for the reading.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    StartFrame,
    TranscriptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.clock import Clock, monotonic_ns
from pipelines.errors import ModelError
from pipelines.marks import EventName, MarkList, MarkSink, stamp
from pipelines.process.failures import report_failure
from pipelines.process.process import next_request_id
from pipelines.watch.frames import (
    PhysicalTaskCancelledFrame,
    PhysicalTaskFrame,
    PhysicalTaskPlannedFrame,
)
from pipelines.watch.ledger import Ledger
from pipelines.watch.options import WatchOptions
from pipelines.watch.reading.patterns import PRONOUNS
from pipelines.watch.reading.phrases import Phrase, RollingPhrases
from pipelines.watch.reading.reader import CANCEL, Heard
from pipelines.watch.schema import TOOL, wrong

_Piece = tuple[str, str, int, bool]  # who, text, when it came, whether the speaker has ended


class Mind(Protocol):
    """Anything that can be asked: a `ModelProcess` of `pipelines.watch.engine`."""

    def request(
        self,
        op: str,
        header: dict[str, Any] | None = None,
        payload: bytes = b"",
        *,
        request_id: str = "",
        marks: MarkSink | None = None,
    ) -> AsyncIterator[tuple[dict[str, Any], bytes]]:
        """Asks, and yields the replies."""

    def cancel(self, request_id: str) -> None:
        """Cancels a request; nothing happens if it has ended."""


class IntentWatcher(FrameProcessor):
    """Reads the agent's text (LLMTextFrame), and what the user says (TranscriptionFrame) or writes.

    Out: every frame that came in; PhysicalTaskFrame, PhysicalTaskCancelledFrame and
    PhysicalTaskPlannedFrame beside them, whenever they are ready.
    """

    def __init__(
        self,
        reader: Mind,
        *,
        options: WatchOptions | None = None,
        reasoner: Mind | None = None,
        marks: MarkSink | None = None,
        clock: Clock = monotonic_ns,
    ) -> None:
        """Makes the watcher of one conversation.

        Args:
            reader: Serves ``phrase`` (`pipelines.watch.engine.ReaderEngine`).
            options: Rules for the end of a phrase, and for what counts as said twice.
            reasoner: Serves ``plan``, at any speed; None: there is no planner.
            marks: Takes the stage ``watch`` of `pipelines.marks`.
            clock: Stamps when words came and calls went.
        """
        super().__init__()
        self._reader = reader
        self._reasoner = reasoner
        self._options = options or WatchOptions(intents="classifier")
        self._sink: MarkSink = marks if marks is not None else MarkList()
        self._stamp_clock = clock
        self._pieces: asyncio.Queue[_Piece] = asyncio.Queue()
        self._speakers = {"user": RollingPhrases(), "agent": RollingPhrases()}
        self._acted: dict[str, list[tuple[Heard, str]]] = {"user": [], "agent": []}  # open phrases
        self._ledger = Ledger(self._options.repeat_s)
        self._conversation = next_request_id("watch")
        self._listener: asyncio.Task[None] | None = None
        self._plans: dict[str, asyncio.Task[None]] = {}

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Passes the frame on, and only then looks at it."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._listener = self.create_task(self._listen())
        elif isinstance(frame, EndFrame | CancelFrame):
            await self._stop()
        elif direction == FrameDirection.DOWNSTREAM:
            self._note(frame)

    async def cleanup(self) -> None:
        """Stops listening and thinking."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]

    def _note(self, frame: Frame) -> None:
        """Queues words for the listener; returns at once."""
        if isinstance(frame, LLMTextFrame):
            self._pieces.put_nowait(("agent", frame.text, self._stamp_clock(), False))
        elif isinstance(frame, LLMFullResponseEndFrame):
            self._pieces.put_nowait(("agent", "", self._stamp_clock(), True))
        elif isinstance(frame, TranscriptionFrame):
            self._pieces.put_nowait(("user", f" {frame.text}", self._stamp_clock(), True))
        elif isinstance(frame, LLMMessagesAppendFrame):
            for text in _written(frame):
                self._pieces.put_nowait(("user", f" {text}", self._stamp_clock(), True))

    async def _stop(self) -> None:
        tasks = [task for task in (self._listener, *self._plans.values()) if task is not None]
        self._listener, self._plans = None, {}
        for task in tasks:
            await self.cancel_task(task)

    # off the frames' path

    async def _listen(self) -> None:
        try:
            while True:
                for who, phrase in await self._ended():
                    await self._read(who, phrase)
        except ModelError as error:  # the voice goes on without us
            logger.warning(f"The intent watcher stopped listening: {error}")
            await report_failure(self, self._sink, error, self._conversation)

    async def _ended(self) -> list[tuple[str, Phrase]]:
        """Waits for the next piece of text, or for a silence; returns the phrases to be read."""
        waiting = any(speaker.unseen for speaker in self._speakers.values())
        try:
            async with asyncio.timeout(self._options.gap_ms / 1e3 if waiting else None):
                who, text, t_ns, last = await self._pieces.get()
        except TimeoutError:
            quiet = ((who, s) for who, s in self._speakers.items() if s.unseen)
            return [(who, phrase) for who, speaker in quiet for phrase in speaker.look()]
        speaker = self._speakers[who]
        ended = speaker.feed(text, t_ns) if text else []
        return [(who, phrase) for phrase in [*ended, *(speaker.end() if last else [])]]

    async def _read(self, who: str, phrase: Phrase) -> None:
        """Reads a phrase, and acts on what is new since it was last read."""
        phrase_id = next_request_id("phrase")
        self._mark("phrase", phrase_id, t_ns=phrase.t_ns, text=phrase.text)
        header = {"session": self._conversation, "who": who, "text": phrase.text}
        heard: list[Heard] = []
        replies = self._reader.request("phrase", header, request_id=phrase_id, marks=self._sink)
        async for reply, _ in replies:
            heard += [Heard(**row) for row in reply["heard"]]
        left, acted = list(heard), []
        for one, call_id in self._acted[who]:
            if one in left:
                left.remove(one)
                acted.append((one, call_id))
            elif self._ledger.withdraw(call_id):  # "bring me the cup … I had better not"
                await self._withdrawn(call_id, phrase_id)
        for index, one in enumerate(left):
            call_id = phrase_id if len(left) == 1 else f"{phrase_id}.{index}"
            acted.append((one, call_id))
            if one.task != CANCEL:
                await self._call(call_id, one, who, phrase)
            elif (last := self._ledger.cancel(self._stamp_clock())) is not None:
                await self._withdrawn(last, phrase_id)
        self._acted[who] = [] if phrase.over else acted

    async def _call(self, call_id: str, heard: Heard, who: str, phrase: Phrase) -> None:
        arguments = {k: v for k, v in heard.slots.items() if v not in PRONOUNS}
        arguments = {"task": heard.task, **arguments}
        if fault := wrong(arguments):
            self._mark("refused", call_id, text=fault)
        elif (first := self._ledger.offer(call_id, arguments, phrase.t_ns)) is not None:
            self._mark("repeated", call_id, text=first)
        else:
            call = {"id": call_id, "name": TOOL, "arguments": arguments}
            await self.push_frame(PhysicalTaskFrame(call_id, arguments, who, phrase.text))
            self._mark("call", call_id, text=json.dumps(call))
            if self._reasoner is not None:
                self._plans[call_id] = self.create_task(self._plan(call_id, arguments))

    async def _withdrawn(self, call_id: str, phrase_id: str) -> None:
        """A call was cancelled: its plan is no longer needed."""
        if self._reasoner is not None:
            self._reasoner.cancel(call_id)
        if (plan := self._plans.pop(call_id, None)) is not None:
            await self.cancel_task(plan)
        await self.push_frame(PhysicalTaskCancelledFrame(call_id))
        self._mark("cancelled", call_id, text=phrase_id)

    async def _plan(self, call_id: str, arguments: Mapping[str, str]) -> None:
        """The slow loop's side of one call."""
        assert self._reasoner is not None
        try:
            replies = self._reasoner.request(
                "plan", dict(arguments), request_id=call_id, marks=self._sink
            )
            async for reply, _ in replies:
                await self.push_frame(PhysicalTaskPlannedFrame(call_id, str(reply["plan"])))
        except ModelError as error:
            await report_failure(self, self._sink, error, call_id)
        self._plans.pop(call_id, None)

    def _mark(
        self, event: EventName, request_id: str, *, t_ns: int | None = None, text: str
    ) -> None:
        self._sink.put(
            stamp(
                "watch",
                event,
                t_ns=t_ns,
                request_id=request_id,
                text=text,
                clock=self._stamp_clock,
            )
        )


def _written(frame: LLMMessagesAppendFrame) -> list[str]:
    """What the user has written, among messages for a language model."""
    messages = [message for message in frame.messages if isinstance(message, dict)]
    texts = [m.get("content") for m in messages if m.get("role") == "user"]
    return [text for text in texts if isinstance(text, str)]
