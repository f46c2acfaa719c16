"""``duplex-lab export-traces RUN``: a run's turns as traces, for the tools that show traces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export_traces(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    endpoint: Annotated[
        str, typer.Option(help="Address of a receiver of OTLP over HTTP.")
    ] = "http://localhost:4318",
    warmups: Annotated[bool, typer.Option(help="Export warm-ups too.")] = False,
) -> None:
    """Send a run's turns to an OpenTelemetry collector: a trace each, a span per piece of work.

    The same run gives the same ids, so that traces sent twice exist once, where the receiver
    supports that. Needs the extra: otel.
    """
    from bench.metrics.compute import compute
    from bench.report import traces
    from bench.store import store
    from bench.timeline.spans import spans_of_run

    exporter = traces.otlp(endpoint)
    found = store.read_run(run)
    stored = (run / "metrics.parquet").exists()
    rows = store.read_metrics(run) if stored else compute(found)
    turns = list(spans_of_run(found, rows, warmups=warmups))
    sent = traces.send((span for of_turn in turns for span in of_turn), exporter)
    typer.echo(f"{len(turns)} turns as traces, {sent} spans, to {endpoint}")
