"""The error of a line: clicks of known delay through that very protocol.

Each line has delays that are its own and fixed: the packet that must be full before it is sent, a
codec's look-ahead, a jitter buffer. They are printed apart and never subtracted from a measurement.
What is left unexplained is the line's error: on the way in, arrival − (due time of the packet + the
buffer); on the way out, heard − (the agent's stamped write + the codec's look-ahead + the buffer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerPlan, CallerResult
from bench.caller.process import CallerProcess
from bench.lines.fakes.clicker import Click, clicking
from bench.lines.line import LineChoice, LineError, LineRow
from bench.lines.table import row_of
from bench.runner.calibration import SPACING_MS, LostClickError, Spread, click_turn
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.errors import LabError

IN_RATE_HZ = 16_000
"""Rate of the user's audio on lines that take any."""
ANSWER_MS = 30.0
"""Delay of the click agent's answers, ms: shorter than the time between two clicks."""
HEARD = 300
"""|sample| from which an answer counts as heard."""
SOUND_MS = 20.0
"""Range after its write in which an answer's click is sought, ms."""


@dataclass(frozen=True, slots=True)
class LineClicks:
    """Clicks over one line, what is unexplained of each, ms."""

    row: LineRow
    sent: int
    in_ms: tuple[float, ...]
    """Arrival − (due time of the packet that holds the click + the jitter buffer)."""
    out_ms: tuple[float, ...]
    """Heard − (stamped write + look-ahead of the codec + the jitter buffer)."""
    agent_ms: tuple[float, ...]
    """The click agent's own lateness: stamped write − due."""

    @property
    def arrivals(self) -> Spread:
        """Of the way in."""
        return Spread.of(self.in_ms)

    @property
    def heard(self) -> Spread:
        """Of the way out: this is the line's error of a measured latency."""
        return Spread.of(self.out_ms)

    @property
    def holds(self) -> bool:
        """Whether the error keeps the line's aim."""
        median_ms, p99_ms = self.row.aim_ms
        return abs(self.heard.median) <= median_ms and self.heard.p99 <= p99_ms


def dialled_row(name: str) -> LineRow:
    """The row of a line that the caller dials.

    Raises:
        LabError: there is none of that name, or it is not one to be dialled.
    """
    try:
        row = row_of(name)
    except LineError as error:
        raise LabError(f"--line: {error}.") from None
    if row.refusal or row.connects != "caller":
        raise LabError(f"--line {name}: it is none that the caller dials.")
    return row


def calibrate_line(name: str, caller: CallerProcess, clicks: int, seed: int) -> LineClicks:
    """Plays clicks over a line on this machine's loopback.

    Args:
        name: Name of the line; the caller dials it.
        caller: The caller to calibrate.
        clicks: Number of clicks.
        seed: Of their phases.

    Raises:
        LabError: the line is none to be dialled, or a click was lost.
    """
    row = dialled_row(name)
    rate_hz = row.in_rate_hz({}) or IN_RATE_HZ
    turn = click_turn(clicks, seed, rate_hz, SPACING_MS)
    limit_s = len(turn.pcm) / rate_hz + 15.0
    with clicking(name, ANSWER_MS) as (url, report):
        plan = CallerPlan("calibration", rate_hz, (turn,), limit_s, line=LineChoice(name, url))
        caller.ask(plan)
        while isinstance(result := caller.receive(), str):
            pass
        if result.error:
            raise LabError(f"--line {name}: the clicks were not played: {result.error}.")
        if not report.poll(10.0):
            raise LabError(f"--line {name}: the click agent did not report.")
        heard: list[Click] = report.recv()
    return explained(row, plan, result, heard)


def explained(
    row: LineRow, plan: CallerPlan, result: CallerResult, heard: list[Click]
) -> LineClicks:
    """What is unexplained of each click.

    Args:
        row: The line.
        plan: The plan that the caller played.
        result: Its result.
        heard: What the click agent heard and did.

    Raises:
        LostClickError: a click or an answer was lost: a ruler that loses some can't be judged by
            the rest.
    """
    start_ns = next(m.t_ns for m in result.marks if (m.stage, m.event) == ("user", "turn_start"))
    positions = np.flatnonzero(plan.turns[0].pcm)
    if len(heard) != len(positions) or result.agent is None:
        raise LostClickError(
            f"--line {row.name}: of {len(positions)} clicks the agent heard {len(heard)}; close "
            "other heavy programs and try again."
        )
    in_ms, out_ms = [], []
    for position, click in zip(positions, heard, strict=True):
        spoken_ns = start_ns + samples_to_ns(int(position), plan.in_rate_hz)
        due_ns = _packet_due_ns(spoken_ns + int(row.look_ahead_ms * NS_PER_MS), row, result)
        in_ms.append((click.arrival_ns - due_ns) / NS_PER_MS - row.buffer_ms)
        out_ms.append(_heard_ms(row, result, click))
    agent_ms = tuple((click.written_ns - click.due_ns) / NS_PER_MS for click in heard)
    return LineClicks(row, len(positions), tuple(in_ms), tuple(out_ms), agent_ms)


def _packet_due_ns(sample_ns: int, row: LineRow, result: CallerResult) -> int:
    """The due time of the packet that holds what is spoken at a time."""
    packet_ns = int((row.packet_ms or CHUNK_MS) * NS_PER_MS)
    return result.t0_ns + ((sample_ns - result.t0_ns) // packet_ns + 1) * packet_ns


def _heard_ms(row: LineRow, result: CallerResult, click: Click) -> float:
    """How much later than its write and the fixed delays an answer was heard, ms."""
    assert result.agent is not None
    first = (click.written_ns - result.t0_ns) * result.rate_hz // 10**9
    sought_ms = SOUND_MS + row.look_ahead_ms + 1.5 * row.buffer_ms
    window = result.agent[first : first + int(sought_ms * result.rate_hz / 1e3)]
    if not np.any(np.abs(window.astype(np.int32)) > HEARD):
        raise LostClickError(f"--line {row.name}: an answer was written, but never heard.")
    peak = first + int(np.argmax(np.abs(window.astype(np.int32))))
    heard_ns = result.t0_ns + samples_to_ns(peak, result.rate_hz)
    return (heard_ns - click.written_ns) / NS_PER_MS - row.look_ahead_ms - row.buffer_ms
