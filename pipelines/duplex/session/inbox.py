"""The queue of a duplex model: its user's frames, and texts to be said. The child's side.

Dropping is decided here, next to the model, so that the model never waits for a decision: of more
than ``queue_frames`` waiting frames the oldest are dropped, just as a bounded queue would have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.clock import Clock, monotonic_ns
from pipelines.duplex.session.model import Pcm
from pipelines.duplex.session.wire import PCM_BYTES, Reply, pcm_of_bytes
from pipelines.process.engine import EngineError, Header, Request


@dataclass(frozen=True, slots=True)
class UserFrame:
    """A frame of the user's, as the model's thread takes it."""

    frame: int
    """Its index in the session, from 0."""
    pcm: Pcm
    """(1920,) float32."""
    ready_ns: int
    """Time at which the model's thread was free to take it."""
    waited: bool
    """True if it had arrived by then: the model is behind."""


class Inbox:
    """The pieces of a session's request, in order."""

    def __init__(
        self,
        request: Request,
        answer: Callable[[Reply], None],
        said: Callable[[str], None],
        *,
        conditioned: Callable[[str], None] = lambda text: None,
        queue_frames: int = 0,
        clock: Clock = monotonic_ns,
    ) -> None:
        """Makes the inbox of one session.

        Args:
            request: The request, fed by the parent.
            answer: Gets each frame that is dropped.
            said: Gets each text to be said, in its place among the frames.
            conditioned: Gets each text of a condition, in its place too.
            queue_frames: Most frames that may wait; 0: any number, nothing is dropped.
            clock: Stamps.
        """
        self._request = request
        self._answer = answer
        self._said = said
        self._conditioned = conditioned
        self._queue_frames = queue_frames
        self._clock = clock
        self._held: deque[tuple[Header, bytes]] = deque()
        self._frames = 0  # of the frames held
        self._over = False

    def next(self) -> UserFrame | None:
        """Waits for the next frame; None when the session is over.

        Raises:
            EngineError: a piece is malformed.
            RequestCancelled: the request was cancelled.
        """
        ready_ns = self._clock()
        waited = True
        while True:
            for piece in self._request.waiting_pieces():
                self._hold(piece)
            self._drop()
            while self._held:
                header, payload = self._held.popleft()
                if "frame" in header:
                    self._frames -= 1
                    pcm = pcm_of_bytes(payload)
                    return UserFrame(int(header["frame"]), pcm, ready_ns, waited)
                if "say" in header:
                    self._said(str(header["say"]))
                else:
                    self._conditioned(str(header["condition"]))
            if self._over:
                return None
            waited = False
            self._hold(self._request.next_piece())

    def _hold(self, piece: tuple[Header, bytes]) -> None:
        header, payload = piece
        if header.get("last"):
            self._over = True
        elif "frame" in header and len(payload) == PCM_BYTES:
            self._frames += 1
            self._held.append(piece)
        elif "say" in header or "condition" in header:
            self._held.append(piece)
        else:
            raise EngineError(
                f"a piece of a duplex session was not understood ({header}, {len(payload)} bytes): "
                f"send a frame of {PCM_BYTES} bytes, or a text to say"
            )

    def _drop(self) -> None:
        """Drops the oldest frames until at most ``queue_frames`` wait."""
        if not self._queue_frames:
            return
        kept: deque[tuple[Header, bytes]] = deque()
        while self._frames > self._queue_frames:
            header, payload = self._held.popleft()
            if "frame" in header:
                self._frames -= 1
                self._answer(Reply(int(header["frame"]), {"dropped": self._clock()}))
            else:
                kept.append((header, payload))  # a text is never dropped
        self._held.extendleft(reversed(kept))
