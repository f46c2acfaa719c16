"""What a method says in each silence, at each time: the rows of eot-bench's predictions.parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bench.store.atomic import atomic_write
from pipelines.errors import LabError

Label = Literal["hold", "eot"]
"""A pause, or the end of the turn."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One moment of a silence."""

    id: str
    """The turn."""
    language: str
    """Its language code."""
    span_index: int
    """The silence's number within the turn, from 0."""
    timestamp: float
    """The moment, s from the recording's start."""
    silence_dur: float
    """Silence so far, s; the largest of a silence is its length."""
    p_eot: float
    """Probability that the turn is over, 0–1."""
    label: Label
    """What the silence is."""


REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    "id": str,
    "span_index": int,
    "silence_dur": (int, float),
    "p_eot": (int, float),
    "label": str,
}
"""Columns that a file must have, and their values' types."""


def write(path: Path, rows: Sequence[Prediction], about: Mapping[str, str]) -> None:
    """Writes rows as Parquet; ``about`` is kept in the file's metadata.

    Raises:
        StoreError: the file can't be written.
    """
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_schema(pa))
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(dict(about)), buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())


def _schema(pa: Any) -> Any:
    types = {"span_index": pa.int64()}
    types |= {name: pa.float64() for name in ("timestamp", "silence_dur", "p_eot")}
    return pa.schema(
        [pa.field(f, types.get(f, pa.string())) for f in Prediction.__dataclass_fields__]
    )


def read(path: Path) -> tuple[list[Prediction], dict[str, str]]:
    """Reads rows, of ours or of eot-bench's; returns them and what is said about them.

    Raises:
        LabError: it is no such file, or a row is not right.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise LabError(f"{path}: there is no such file.")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise LabError(f"{path}: can't be read as Parquet ({error}).") from None
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise LabError(
            f"{path}: the column {missing[0]!r} is missing; predictions have the columns "
            f"{', '.join(REQUIRED)}."
        )
    about = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return [_row(path, i, row) for i, row in enumerate(table.to_pylist())], about


def _row(path: Path, i: int, row: Mapping[str, Any]) -> Prediction:
    for name, kind in REQUIRED.items():
        if not isinstance(row[name], kind):
            raise LabError(f"{path}, row {i}: {name} = {row[name]!r} is not of the right type.")
    label = row["label"]
    if label not in get_args(Label):
        raise LabError(f"{path}, row {i}: label = {label!r} must be 'hold' or 'eot'.")
    if not 0 <= row["p_eot"] <= 1:
        raise LabError(f"{path}, row {i}: p_eot = {row['p_eot']!r} must be 0 to 1.")
    if not 0 <= row["silence_dur"] < float("inf"):
        raise LabError(f"{path}, row {i}: silence_dur = {row['silence_dur']!r} must be ≥ 0 s.")
    return Prediction(
        id=row["id"],
        language=str(row.get("language") or ""),
        span_index=row["span_index"],
        timestamp=float(row.get("timestamp") or 0.0),
        silence_dur=float(row["silence_dur"]),
        p_eot=float(row["p_eot"]),
        label=label,
    )


def by_silence(rows: Iterable[Prediction]) -> dict[tuple[str, int], list[Prediction]]:
    """(turn, silence) → its rows by time.

    Raises:
        LabError: rows of one silence call it a pause and an end.
    """
    found: dict[tuple[str, int], list[Prediction]] = {}
    for row in rows:
        found.setdefault((row.id, row.span_index), []).append(row)
    for (turn, index), of in found.items():
        of.sort(key=lambda row: (row.silence_dur, row.timestamp))
        if len({row.label for row in of}) > 1:
            raise LabError(f"turn {turn!r}, silence {index}: its rows have two labels.")
    return found
