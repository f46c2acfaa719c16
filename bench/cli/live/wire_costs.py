"""``duplex-lab serve --bench-wire``: what each wire format costs one conversation."""

from __future__ import annotations

from dataclasses import asdict

from bench.report.text.listing import Column, Format, Listing, print_lists

COLUMNS = (
    Column("format", "format"),
    Column("bytes a frame", "bytes", is_figure=True),
    Column("CPU, % of a core", lambda row: f"{row['cpu_percent']:.3f}", is_figure=True),
    Column("added, ms: p50", lambda row: f"{row['p50_ms']:.3f}", is_figure=True),
    Column("p99", lambda row: f"{row['p99_ms']:.3f}", is_figure=True),
)


def print_wire_costs(form: Format) -> None:
    """Measures, and prints a table."""
    from bench.probes.wire_cost import FRAMES, measure

    rows = tuple(asdict(cost) for cost in measure())
    notes = (
        f"one conversation, both ends: frames of 80 ms each way, written, sent over a socket of "
        f"this machine, and read; {FRAMES} frames a format. added: of one frame, one way.",
    )
    print_lists(form, Listing("wires", COLUMNS, rows), notes=notes)
