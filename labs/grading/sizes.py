"""Files that are small on disk and large once read: their headers are checked first."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from labs.pack import PackError

LARGEST_ROWS = 10_000_000
"""Most rows of a Parquet file; a minute of conversation has some 20,000 marks."""
LARGEST_S = 3600.0
"""Longest recording, s."""


def check_sizes(root: Path) -> None:
    """Checks the tables and recordings of a submission; a damaged one is left alone.

    Raises:
        PackError: one would be too large.
    """
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".parquet" and (rows := _rows(path)) > LARGEST_ROWS:
            raise PackError(f"refused: {name!r} has {rows:,} rows, more than {LARGEST_ROWS:,}.")
        if path.suffix in (".flac", ".wav") and (length_s := _length_s(path)) > LARGEST_S:
            raise PackError(f"refused: {name!r} lasts {length_s:.0f} s, over {LARGEST_S:.0f} s.")


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def _length_s(path: Path) -> float:
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return 0.0
    return float(info.frames / max(1, info.samplerate))
