"""Did the mouth move with the voice? Each 80 ms frame's audio-to-mouth offset, as a page saw it.

offset = drawn − heard, signed: positive where the mouth comes after the sound. *heard* is when the
frame's first sample left the browser's audio clock, brought to the page's clock by the median of
the newest 50 pairs of getOutputTimestamp; *drawn* is the refresh in which the frame's mouth was
first drawn (it is seen one or two refreshes later). Both are of the page's one clock, so the offset
needs no other; the machine's clock, which ties them to a run's marks, is found by the quickest of
many pings, and its error is at most half that ping's round trip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.store.atomic import StoreError, atomic_write
from bench.store.schema import Column

FILE = "face.parquet"
VERSION = 1
"""Version of this table."""
VERSION_KEY = b"duplex_lab.face_version"
LIMIT_MS = 80.0
"""Largest |offset| at p95, ms: one frame."""

COLUMNS = (
    Column("trial_id", "string", "", "the trial; empty: none was played then"),
    Column("page", "int64", "", "which page measured it: several may watch, from 0"),
    Column("at_sample", "int64", "", "the frame's first sample in the agent's output stream"),
    Column("samples", "int64", "", "its length"),
    Column("mouth", "float64", "", "opening that was drawn for it, 0–1"),
    Column("heard_ms", "float64", "ms", "its first sample was heard, by the page's clock"),
    Column("drawn_ms", "float64", "ms", "its mouth was first drawn, by the page's clock"),
    Column("offset_ms", "float64", "ms", "drawn − heard; positive: the mouth comes late"),
    Column("heard_ns", "int64", "ns", "heard, on the machine's monotonic clock", nullable=True),
    Column("sync_error_ms", "float64", "ms", "largest error of heard_ns: half a ping", True),
)
"""The columns of ``face.parquet``."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """One row; see `COLUMNS`."""

    trial_id: str
    page: int
    at_sample: int
    samples: int
    mouth: float
    heard_ms: float
    drawn_ms: float
    offset_ms: float
    heard_ns: int | None
    sync_error_ms: float | None


@dataclass(frozen=True, slots=True)
class Offsets:
    """Statistics over all frames; None where there are none."""

    frames: int
    p5_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    abs_p95_ms: float | None
    """95th percentile of |offset|."""


def frames_of(
    rows: Iterable[Mapping[str, Any]], page: int, rtt_ns: int | None, offset_ns: int
) -> list[FaceFrame]:
    """Rows as a page sent them; malformed rows are left out.

    Args:
        rows: trial, at, samples, mouth, heard_ms, drawn_ms.
        page: Number of the page.
        rtt_ns: Round trip of its quickest ping; None: none came back.
        offset_ns: Machine's clock − page's clock.
    """
    found = []
    for row in rows:
        try:
            heard_ms, drawn_ms = float(row["heard_ms"]), float(row["drawn_ms"])
            frame = FaceFrame(
                trial_id=str(row["trial"]),
                page=page,
                at_sample=int(row["at"]),
                samples=int(row["samples"]),
                mouth=float(row["mouth"]),
                heard_ms=heard_ms,
                drawn_ms=drawn_ms,
                offset_ms=drawn_ms - heard_ms,
                heard_ns=None if rtt_ns is None else round(heard_ms * 1e6) + offset_ns,
                sync_error_ms=None if rtt_ns is None else rtt_ns / 2e6,
            )
        except (KeyError, TypeError, ValueError):
            continue
        found.append(frame)
    return found


def offsets(frames: Sequence[FaceFrame]) -> Offsets:
    """Quantiles of the offset, ms."""
    if not frames:
        return Offsets(0, None, None, None, None)
    values = np.array([f.offset_ms for f in frames])
    p5, p50, p95 = (float(x) for x in np.quantile(values, [0.05, 0.5, 0.95]))
    return Offsets(len(frames), p5, p50, p95, float(np.quantile(np.abs(values), 0.95)))


def write_face(run_dir: Path, frames: Sequence[FaceFrame]) -> Path:
    """Writes ``face.parquet`` into a run's folder, whole or not at all."""
    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
    schema = pa.schema(
        [pa.field(c.name, types[c.type], nullable=c.nullable) for c in COLUMNS],
        metadata={VERSION_KEY: str(VERSION).encode()},
    )
    columns = [[getattr(f, c.name) for f in frames] for c in COLUMNS]
    table = pa.table(columns, schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    path = run_dir / FILE
    atomic_write(path, sink.getvalue().to_pybytes())
    return path


def read_face(run_dir: Path) -> list[FaceFrame]:
    """Reads ``face.parquet``; empty where the run had no face.

    Raises:
        StoreError: the file is damaged, or of a version that is not known.
    """
    path = run_dir / FILE
    if not path.exists():
        return []
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(use_threads=False)  # see `bench.store.store`
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError(f"{path}: the file is damaged ({error})") from None
    version = (table.schema.metadata or {}).get(VERSION_KEY, b"0").decode()
    if version != str(VERSION):
        raise StoreError(f"{path}: version {version} of this table is unknown; known: {VERSION}")
    names = [f.name for f in fields(FaceFrame)]
    missing = sorted(set(names) - set(table.column_names))
    if missing:
        raise StoreError(f"{path}: the column {missing[0]!r} is missing")
    return [FaceFrame(**row) for row in table.select(names).to_pylist()]
