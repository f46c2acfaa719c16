"""`Floor`: who speaks in a conversation, as its events say. No timers, no tasks."""

from __future__ import annotations

from pipelines.clock import NS_PER_S, Clock, samples_to_ns
from pipelines.server.runtime.policy import State
from pipelines.server.session.events import AudioOut, Control, Event, Interruption, TurnEnd
from pipelines.server.session.first_audio import is_audible


class Floor:
    """Who speaks.

    Args:
        clock: The machine's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.user_speaks = False
        self.waits = False
        """True from the end of the user's turn to the answer's first sound; a filler is none."""
        self._queue_end_ns = 0
        self._heard_until_ns = 0

    @property
    def state(self) -> State:
        """The policy's word for it."""
        if self.user_speaks:
            return "user_speaks"
        if self._clock() < self._heard_until_ns:
            return "agent_speaks"
        return "waiting" if self.waits else "quiet"

    @property
    def left_s(self) -> float:
        """Time until what the agent has said is heard, s."""
        return max(0.0, (self._heard_until_ns - self._clock()) / NS_PER_S)

    def take(self, event: Event) -> None:
        """Looks at an event of the agent's."""
        if isinstance(event, AudioOut):
            start_ns = max(event.t_ns, self._queue_end_ns)
            self._queue_end_ns = start_ns + samples_to_ns(event.samples, event.rate_hz)
            if is_audible(event.pcm):
                self._heard_until_ns = self._queue_end_ns
                self.waits = self.waits and event.is_filler
        elif isinstance(event, Interruption):
            self._queue_end_ns = self._heard_until_ns = min(self._queue_end_ns, event.t_ns)
        elif isinstance(event, Control) and event.name == "user_speaking":
            self.user_speaks = event.value == "true"
            self.waits = self.waits and not self.user_speaks
        elif isinstance(event, TurnEnd) and event.side == "user":
            self.user_speaks, self.waits = False, True
