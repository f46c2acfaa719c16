"""The marks of a duplex session: those of the processor, and those that the model's process
stamped.
"""

from __future__ import annotations

from collections import deque

from pipelines.duplex.session.wire import Reply
from pipelines.duplex.utterances import Utterance
from pipelines.marks import EVENTS, EventName, Mark, MarkSink, stamp


class FrameMarks:
    """Writes the marks of one session."""

    def __init__(self, sink: MarkSink, session_id: str, pid: int | None) -> None:
        """``pid``: of the model's process, which stamped its own marks."""
        self._sink = sink
        self._id = session_id
        self._pid = pid or 0
        self._given: deque[int] = deque()

    def session(self, model: str, seed: int) -> None:
        """The session is opened, or starts over."""
        self._put("session", float(seed), model)

    def hold_back(self, delay_s: float) -> None:
        """The delay of the resampler on the user's audio."""
        self._put("hold_back", delay_s * 1e3)

    def frame(self, event: EventName, frame: int, t_ns: int | None = None) -> None:
        """``frame_in`` or ``handed``; ``t_ns``: the time, if not now."""
        self._put(event, float(frame), t_ns=t_ns)

    def frame_out(self, reply: Reply) -> None:
        """The frame of speech in a reply is pushed out.

        It is marked as the answer to the reply's own frame. For a model that is not synchronous the
        j-th frame of speech is marked as the answer to the j-th frame that it received, see
        `pipelines.duplex.session.wire.Reply.synchronous`.
        """
        answered = reply.frame
        if not reply.synchronous:
            self._given.append(reply.frame)
            answered = self._given.popleft()
        self._put("frame_out", float(answered))

    def reply(self, reply: Reply) -> None:
        """All stamps of the model's process on a frame.

        For a model that is not synchronous the stamps of the work are left out: they would describe
        sending and waiting.
        """
        index = float(reply.frame)
        if not reply.synchronous and not reply.pcm and "dropped" not in reply.stamps:
            self._given.append(reply.frame)
        for event, t_ns in reply.stamps.items():
            if reply.synchronous or event == "dropped":
                self._child(event, t_ns, index)
        if reply.text:
            t_ns = reply.stamps.get("stepped", reply.stamps.get("done", 0))
            self._child("text", t_ns, index, reply.text)
            if reply.forced:
                self._child("forced", t_ns, index, reply.text)

        if reply.unsaid_ms is not None:
            self._child("yielded", reply.stamps["stepped"], reply.unsaid_ms)

    def context_end(self, frame: int, policy: str) -> None:
        """The model's context was full before ``frame``."""
        self._put("context_end", float(frame), policy)

    def answer(self, said: Utterance) -> None:
        """The text that the model meant to say, at the time at which it began to."""
        self._sink.put(
            stamp("agent", "answer_text", t_ns=said.t_ns, request_id=self._id, text=said.text)
        )

    def _put(
        self, event: EventName, value: float, text: str | None = None, t_ns: int | None = None
    ) -> None:
        mark = stamp("duplex", event, t_ns=t_ns, request_id=self._id, value=value, text=text)
        self._sink.put(mark)

    def _child(self, event: EventName, t_ns: int, value: float, text: str | None = None) -> None:
        assert ("duplex", event) in EVENTS
        self._sink.put(Mark(t_ns, "duplex", event, -1, self._id, self._pid, value, text))
