"""Figures of a server for Prometheus, each with its meaning; one registry a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.server.session.events import (
    AudioOut,
    Audit,
    Control,
    Event,
    Interruption,
    LatencyMark,
    ToolCall,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BUCKETS_S = (0.05, 0.1, 0.16, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Upper limits of the first audio's buckets, s."""
FRAME_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.5)
"""The same of a frame's way through a door, s."""


class Figures:
    """Counters, gauges and histograms of one server."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        of = ["preset", "door"]
        self._open = Gauge(
            "duplex_lab_conversations_open", "Conversations now", of, registry=self.registry
        )
        self._all = Counter(
            "duplex_lab_conversations", "Conversations begun", of, registry=self.registry
        )
        self._failed = Counter(
            "duplex_lab_conversations_failed",
            "Conversations that an error ended",
            of,
            registry=self.registry,
        )
        self._refused = Counter(
            "duplex_lab_refused",
            "Conversations refused before they began",
            ["why"],
            registry=self.registry,
        )
        self._first = Histogram(
            "duplex_lab_first_audio_seconds",
            "From the end of the user's speech to the agent's first sound, fillers left out",
            of,
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._interruptions = Counter(
            "duplex_lab_interruptions",
            "Interruptions of the agent's speech",
            of,
            registry=self.registry,
        )
        self._calls = Counter(
            "duplex_lab_tool_calls", "Functions that agents called", of, registry=self.registry
        )
        self._fallbacks = Counter(
            "duplex_lab_fallbacks",
            "Processes of models that died and were replaced",
            ["preset"],
            registry=self.registry,
        )
        self._exchanged = Counter(
            "duplex_lab_exchanges",
            "Conversations that went on with another agent, by what happened to the one before",
            ["preset", "why"],
            registry=self.registry,
        )
        self._skills = Counter(
            "duplex_lab_skill_calls",
            "Calls of skills by their outcome",
            ["skill", "step"],
            registry=self.registry,
        )
        self._frame = Histogram(
            "duplex_lab_frame_seconds",
            "From the write of a chunk of the agent's to its hand-over to the socket",
            of,
            buckets=FRAME_BUCKETS_S,
            registry=self.registry,
        )
        self._queue = Gauge(
            "duplex_lab_queue_events",
            "Events that wait for a client, the most of any conversation since the last look",
            registry=self.registry,
        )
        self._warm = Gauge(
            "duplex_lab_warm_seats",
            "Seats of the warm pool by state",
            ["preset", "state"],
            registry=self.registry,
        )
        self._ahead = Counter(
            "duplex_lab_seats_ahead",
            "Seats ahead of demand: loaded, then used or unused; cold: somebody had to wait",
            ["preset", "what"],
            registry=self.registry,
        )
        self._most_waiting = 0
        self._queue.set_function(self._take_most)

    def opened(self, preset: str, door: str) -> None:
        """A conversation has begun."""
        self._open.labels(preset, door).inc()
        self._all.labels(preset, door).inc()

    def closed(self, preset: str, door: str, failed: bool) -> None:
        """It is over; ``failed``: an error ended it."""
        self._open.labels(preset, door).dec()
        if failed:
            self._failed.labels(preset, door).inc()

    def refused(self, why: str) -> None:
        """Somebody was refused; ``why`` is one of a few words (full, token, draining, preset)."""
        self._refused.labels(why).inc()

    def replaced(self, preset: str, processes: int) -> None:
        """Processes of models died and are replaced."""
        self._fallbacks.labels(preset).inc(processes)

    def fell_back(self, preset: str, why: str) -> None:
        """A conversation with a preset went on with another agent."""
        self._exchanged.labels(preset, why).inc()

    def warm(self, preset: str, free: int, taken: int) -> None:
        """State of a preset's warm pool."""
        self._warm.labels(preset, "free").set(free)
        self._warm.labels(preset, "taken").set(taken)

    def ahead(self, preset: str, what: str) -> None:
        """What became of a seat that was loaded ahead of demand, or was not."""
        self._ahead.labels(preset, what).inc()

    def take(self, event: Event, preset: str, door: str) -> None:
        """Counts an event of a conversation."""
        if isinstance(event, AudioOut | Control):
            return
        if isinstance(event, LatencyMark):
            if event.name == "first_audio":
                self._first.labels(preset, door).observe(max(0.0, event.ms / 1_000))
        elif isinstance(event, Interruption) and event.spoke:
            self._interruptions.labels(preset, door).inc()
        elif isinstance(event, ToolCall):
            self._calls.labels(preset, door).inc()
        elif isinstance(event, Audit) and event.step != "asked":
            self._skills.labels(event.name, event.step).inc()

    def frame(self, seconds: float, waiting: int, preset: str, door: str) -> None:
        """A chunk of the agent's was handed to the socket.

        Args:
            seconds: Since it was written.
            waiting: Events that still wait for the client.
            preset: The preset.
            door: The protocol.
        """
        self._frame.labels(preset, door).observe(seconds)
        self._most_waiting = max(self._most_waiting, waiting)

    def text(self) -> bytes:
        """All figures, in Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)

    def _take_most(self) -> float:
        most, self._most_waiting = self._most_waiting, 0
        return float(most)
