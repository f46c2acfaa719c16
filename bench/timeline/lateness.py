"""The ruler's own error in time: how late the caller's mouth and ear were, and the bounds on that.

The mouth's lateness is sent − due, the ear's received − written: both are the harness's fault, and
beyond the bounds a trial is not valid. The loop lag, due → seen by the pipeline, is the agent's
own, and invalidates nothing. What a simulated network adds on purpose is left out of all three.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.store.recording import Stereo
from bench.store.records import ENDED_WELL, Trial
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.clock import NS_PER_MS
from pipelines.marks import EventName, Mark, StageEvent

P99_BOUND_MS = 5.0
"""Largest 99th percentile of a trial's mouth or ear lateness, ms."""
CHUNK_BOUND_MS = 20.0
"""Largest lateness of a chunk that falls between `BEFORE_U_OFF_MS` before u_off and a_on, ms."""
WAKES_LATE_MS = 0.5
"""Lateness of the mouth's chunks beside no work, by the 95th percentile, beyond which the machine's
timers wake late, ms."""
BEFORE_U_OFF_MS = 200.0
AFTER_U_OFF_S = 10
"""Time that chunks are watched where no answer was heard: as long as a trial waits for one."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lateness:
    """The lateness of the chunks of one kind."""

    at_ns: NDArray[np.int64]
    """(n,) due time of each chunk."""
    ms: Floats
    """(n,) lateness of each chunk, ms."""

    def quantile(self, p: float) -> float | None:
        """An observed value: the smallest that a share of ``p`` does not exceed."""
        if len(self.ms) == 0:
            return None
        # As np.quantile(…, method="inverted_cdf"), which takes ten times as long for so few.
        index = max(0, math.ceil(len(self.ms) * p - 1))
        return float(np.partition(self.ms, index)[index])


def _added_ns(marks: Sequence[Mark], event: EventName) -> dict[str, int]:
    """What a simulated network added on purpose: request id of a chunk → ns."""
    return {
        mark.request_id: round((mark.value or 0.0) * NS_PER_MS)
        for mark in marks
        if mark.stage == "network" and mark.event == event
    }


def _lateness(at_ns: NDArray[np.int64], marks: Sequence[Mark]) -> Lateness:
    """Lateness of each of the marks after ``at_ns``."""
    taken_ns = np.array([mark.t_ns for mark in marks], dtype=np.int64)
    return Lateness(at_ns, (taken_ns - at_ns) / NS_PER_MS)


def _after_due(marks: Sequence[Mark], t0_ns: int, chunk_ms: int) -> Lateness:
    """Chunk k, a mark's value, is complete, and so due, at t0 + (k + 1) T."""
    k = np.array([mark.value or 0 for mark in marks], dtype=np.float64).astype(np.int64)
    return _lateness(t0_ns + (k + 1) * (chunk_ms * NS_PER_MS), marks)


def _net_of_network(marks: Sequence[Mark], of: StageEvent) -> list[Mark]:
    """The marks of an event of the user's chunks, each earlier by what a network added."""
    added_ns = _added_ns(marks, "passed_up")
    chunks = [m for m in marks if (m.stage, m.event) == of]
    if not added_ns:
        return chunks
    return [replace(m, t_ns=m.t_ns - added_ns.get(f"u{m.value or 0:.0f}", 0)) for m in chunks]


def mouth_lateness(marks: Sequence[Mark], t0_ns: int, chunk_ms: int) -> Lateness:
    """Chunk handed to the socket − chunk due."""
    handed = {m.request_id: m.t_ns for m in marks if (m.stage, m.event) == ("network", "passed_up")}
    if handed:  # the network hands on what the mouth has given it
        marks = [
            replace(m, t_ns=max(m.t_ns, handed.get(f"u{m.value or 0:.0f}", m.t_ns)))
            if (m.stage, m.event) == ("user", "chunk_sent")
            else m
            for m in marks
        ]
    return _after_due(_net_of_network(marks, ("user", "chunk_sent")), t0_ns, chunk_ms)


def loop_lag(marks: Sequence[Mark], t0_ns: int, chunk_ms: int) -> Lateness:
    """Chunk seen by the pipeline's first processor − chunk due."""
    return _after_due(_net_of_network(marks, ("link", "chunk_in")), t0_ns, chunk_ms)


def ear_lateness(marks: Sequence[Mark]) -> Lateness:
    """Chunk received by the caller − chunk written by the agent."""
    added_ns = _added_ns(marks, "passed_down")
    written = {
        m.request_id: m.t_ns + added_ns.get(m.request_id, 0)
        for m in marks
        if (m.stage, m.event) == ("link", "write")
    }
    received = [
        m for m in marks if (m.stage, m.event) == ("ear", "received") and m.request_id in written
    ]
    sent_ns = np.array([written[m.request_id] for m in received], dtype=np.int64)
    return _lateness(sent_ns, received)


@dataclass(frozen=True, slots=True)
class Latenesses:
    """How late a trial's chunks were, by who was late."""

    mouth: Lateness
    """The caller's mouth: chunk sent − due."""
    ear: Lateness
    """The caller's ear: chunk received − written."""
    loop_lag: Lateness
    """The agent's event loop: chunk seen by the pipeline − due."""


def latenesses(timeline: Timeline) -> Latenesses:
    """Computes the lateness of the mouth and of the ear, and the loop lag."""
    trial, of = timeline.trial, timeline.all
    written, received = of("link", "write"), of("ear", "received")
    up, down = of("network", "passed_up"), of("network", "passed_down")
    return Latenesses(
        mouth_lateness([*of("user", "chunk_sent"), *up], trial.t0_ns, trial.chunk_ms),
        ear_lateness([*written, *received, *down]),
        loop_lag([*of("link", "chunk_in"), *up], trial.t0_ns, trial.chunk_ms),
    )


def broken_bound(timeline: Timeline, found: Latenesses | None = None) -> str | None:
    """The first bound that a trial's mouth or ear exceeds, in words; None if it holds all.

    Args:
        timeline: The trial.
        found: Its latenesses; None computes them.
    """
    found = found or latenesses(timeline)
    for who, late in (("mouth", found.mouth), ("ear", found.ear)):
        p99 = late.quantile(0.99)
        if p99 is not None and p99 > P99_BOUND_MS:
            return f"{who} late: p99 {p99:.1f} ms > {P99_BOUND_MS:g} ms"
        worst = _worst_that_matters(late, timeline)
        if worst is not None and worst > CHUNK_BOUND_MS:
            return f"{who} late: a chunk before the answer by {worst:.1f} ms > {CHUNK_BOUND_MS:g}"
    return None


def with_lateness(trial: Trial, marks: Sequence[Mark], recording: Stereo | None) -> Trial:
    """A trial's row with its lateness, and with the status ``ruler_late`` where a bound is broken.

    Args:
        trial: The row, as the trial left it.
        marks: The trial's marks.
        recording: (n, 2) int16 at ``trial.rate_hz``; None if there is none.
    """
    timeline = reconstruct(trial, marks, recording)
    late = latenesses(timeline)
    mouth, ear = late.mouth, late.ear
    broken = broken_bound(timeline, late)
    return replace(
        trial,
        status="ruler_late" if broken and trial.status in ENDED_WELL else trial.status,
        mouth_late_ms_p50=mouth.quantile(0.5),
        mouth_late_ms_p99=mouth.quantile(0.99),
        mouth_late_ms_max=mouth.quantile(1.0),
        ear_late_ms_p50=ear.quantile(0.5),
        ear_late_ms_p99=ear.quantile(0.99),
        ear_late_ms_max=ear.quantile(1.0),
    )


def _worst_that_matters(late: Lateness, timeline: Timeline) -> float | None:
    """The largest lateness of chunks due between 200 ms before u_off and a_on, of all turns."""
    matters = np.zeros(len(late.ms), dtype=np.bool_)
    for turn in timeline.turns:
        first = turn.u_off_ns - int(BEFORE_U_OFF_MS * NS_PER_MS)
        last = turn.a_on_ns
        if last is None:
            last = turn.u_off_ns + AFTER_U_OFF_S * 1000 * NS_PER_MS
        if turn.end_ns is not None:
            last = min(last, turn.end_ns)
        matters |= (late.at_ns >= first) & (late.at_ns <= last)
    return float(late.ms[matters].max()) if matters.any() else None
