"""The rows of one metric out of a run's ``metrics.parquet``, column by column.

As `MetricRow` they would take many times as long: a history reads those of a thousand runs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.store.schema import TABLES, todays_name
from bench.store.tables import damage, numbers_of, open_table, values_of

_TEXTS = [column.name for column in TABLES["metrics"] if column.type == "string"]
_NONE: NDArray[np.intp] = np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class Figures:
    """The rows of one metric, as lists."""

    preset: list[str]
    fixture: list[str]
    turn: list[int]
    warmup: list[bool]
    subject: list[str | None]
    value: list[float | None]
    valid: list[bool]
    reason: list[str | None]


@dataclass(frozen=True, slots=True)
class Words:
    """A column of texts."""

    words: list[str]
    """The texts, each once."""
    at: NDArray[np.intp]
    """(rows,) index of each row's text; -1: it has none."""

    def of(self, row: int) -> str | None:
        """A row's text."""
        at = int(self.at[row])
        return None if at < 0 else self.words[at]


@dataclass(frozen=True, slots=True)
class FigureColumns:
    """The rows of one metric, as arrays."""

    preset: Words
    fixture: Words
    subject: Words
    reason: Words
    turn: NDArray[np.int64]
    """(rows,)"""
    warmup: NDArray[np.bool_]
    """(rows,)"""
    valid: NDArray[np.bool_]
    """(rows,)"""
    value: NDArray[np.float64]
    """(rows,) NaN where there is none."""


def read_figures(run_dir: Path, metric: str) -> Figures:
    """Reads one metric out of ``metrics.parquet``.

    Raises:
        StoreError: it is missing, damaged or newer than this program.
    """
    table, rows = _rows(run_dir, metric)
    return Figures(*(values_of(table[field.name], rows) for field in fields(Figures)))


def read_figure_columns(run_dir: Path, metric: str) -> FigureColumns:
    """As `read_figures`."""
    table, rows = _rows(run_dir, metric)

    def texts(name: str) -> Words:
        array = table[name].combine_chunks()
        numbers, known = numbers_of(array.indices)
        at = numbers[rows].astype(np.intp)
        return Words(array.dictionary.to_pylist(), at if known is None else _known(at, known[rows]))

    def numbers(name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        found, known = numbers_of(table[name].combine_chunks())
        return found[rows], None if known is None else known[rows]

    values, known = numbers("value")
    return FigureColumns(
        texts("preset"),
        texts("fixture"),
        texts("subject"),
        texts("reason"),
        numbers("turn")[0],
        numbers("warmup")[0],
        numbers("valid")[0],
        values if known is None else np.where(known, values, np.nan),
    )


def _known(at: NDArray[np.intp], known: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.where(known, at, -1)


def _rows(run_dir: Path, metric: str) -> tuple[pa.Table, NDArray[np.intp]]:
    """The table's columns, and which of its rows are of a metric."""
    path = run_dir / "metrics.parquet"
    file = open_table(path, "metrics", dictionaries=_TEXTS)
    with damage(path):
        wanted = ["metric", *(field.name for field in fields(Figures))]
        table = file.read(columns=wanted, use_threads=False)
    of = table["metric"].combine_chunks()
    words = [todays_name(name) for name in of.dictionary.to_pylist()]
    if metric not in words:
        return table, _NONE
    return table, np.flatnonzero(numbers_of(of.indices)[0] == words.index(metric))
