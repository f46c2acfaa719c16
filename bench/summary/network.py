"""What a simulated network did to a turn, in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.metrics.way import WAYS
from bench.store.records import MetricRow
from bench.timeline.timeline import Timeline, Turn


def network_line(timeline: Timeline, turn: Turn, rows: Mapping[str, MetricRow]) -> str:
    """A sentence on a turn; empty where no network was simulated.

    Args:
        timeline: The trial.
        turn: The turn.
        rows: Metric → its row of the turn.
    """
    network = timeline.trial.network
    if not network:
        return ""
    added = [
        f"+{row.value:.1f} ms {way}"
        for way in WAYS
        if (row := rows.get(f"network_{way}_ms")) is not None and row.value is not None
    ]
    said = [f"{', '.join(added)} on the answer's way"] if added else []
    return f"{network}: {'; '.join([*said, *_events(turn)]) or 'nothing'}"


def _events(turn: Turn) -> Iterator[str]:
    """Losses and stalls within a turn, each way."""
    for way in WAYS:
        lost = sum(int(m.value or 0) for m in turn.all("network", "lost") if m.text == way)
        if lost:
            yield f"{lost} packet{'s' if lost > 1 else ''} lost {way}"
        stalls = [m.value or 0.0 for m in turn.all("network", "stalled") if m.text == way]
        if stalls:
            yield f"stalled {way} for {' and '.join(f'{ms:.0f}' for ms in stalls)} ms"
