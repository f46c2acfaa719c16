"""Turns as rows in the schema of eot-bench: ``id``, ``language``, ``audio``, ``silence_spans``.

``words`` give a turn's text where they are there; ``messages`` are for methods that read what was
said before, and ours only hear. The audio is a file's bytes (any format of libsndfile), or samples.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.endpointing.turns import Silence, UserTurn
from bench.fixtures.library import RATE_HZ
from bench.store.atomic import atomic_write
from pipelines.audio.resample import resample
from pipelines.errors import LabError

NEEDED = ("id", "language", "audio", "silence_spans")
"""Columns that a file must have."""


def read_rows(path: Path) -> Iterator[UserTurn]:
    """The turns of a Parquet file.

    Raises:
        LabError: it is no such file, or a row is not right.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise LabError(f"{path}: there is no such file.")
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise LabError(f"{path}: can't be read as Parquet ({error}).") from None
    missing = [name for name in NEEDED if name not in file.schema_arrow.names]
    if missing:
        raise LabError(
            f"{path}: the column {missing[0]!r} is missing; turns have the columns "
            f"{', '.join(NEEDED)}, and may have words and messages."
        )
    seen: set[str] = set()
    for batch in file.iter_batches(batch_size=16):
        for row in batch.to_pylist():
            turn = _turn(path, len(seen), row)
            if turn.id in seen:
                raise LabError(f"{path}: two turns have the id {turn.id!r}.")
            seen.add(turn.id)
            yield turn


def _turn(path: Path, i: int, row: Mapping[str, Any]) -> UserTurn:
    where = f"{path}, row {i}"
    pcm = _pcm(where, row["audio"])
    silences = tuple(_silence(where, span) for span in row["silence_spans"] or ())
    if not silences:
        raise LabError(f"{where}: silence_spans is empty; the last is the silence after the turn.")
    edges = [edge for one in silences for edge in (one.start_s, one.end_s)]
    if edges != sorted(edges) or edges[0] < 0:
        raise LabError(f"{where}: silence_spans are not in order, or overlap.")
    if edges[-1] > len(pcm) / RATE_HZ + 0.05:
        raise LabError(
            f"{where}: its last silence ends at {edges[-1]:.2f} s, after the audio "
            f"({len(pcm) / RATE_HZ:.2f} s)."
        )
    said = [str(word.get("word", word.get("text", ""))) for word in row.get("words") or ()]
    return UserTurn(str(row["id"]), str(row["language"]), pcm, silences, " ".join(said))


def _silence(where: str, span: Any) -> Silence:
    try:
        return Silence(float(span["start"]), float(span["end"]))
    except (TypeError, KeyError, ValueError):
        raise LabError(f"{where}: a silence span needs start and end in s, not {span!r}.") from None


def _pcm(where: str, audio: Any) -> NDArray[np.int16]:
    """(n,) int16 at 16 kHz."""
    import soundfile

    if not isinstance(audio, Mapping):
        raise LabError(f"{where}: audio needs 'bytes', or 'array' and 'sampling_rate'.")
    if audio.get("bytes"):
        try:
            sound, rate_hz = soundfile.read(io.BytesIO(audio["bytes"]), dtype="float64")
        except soundfile.SoundFileError as error:
            raise LabError(f"{where}: its audio can't be decoded ({error}).") from None
    elif audio.get("array") is not None and audio.get("sampling_rate"):
        sound, rate_hz = np.asarray(audio["array"], np.float64), int(audio["sampling_rate"])
    else:
        raise LabError(f"{where}: audio needs 'bytes', or 'array' and 'sampling_rate'.")
    mono = sound.mean(axis=1) if sound.ndim == 2 else sound
    if not len(mono) or not np.isfinite(mono).all():
        raise LabError(f"{where}: its audio is empty, or holds values that are no numbers.")
    clipped = np.clip(resample(mono, rate_hz, RATE_HZ), -1, 1 - 2**-15)
    pcm: NDArray[np.int16] = np.rint(clipped * 32768).astype(np.int16)
    return pcm


def write_rows(path: Path, turns: Sequence[UserTurn]) -> None:
    """Writes turns as eot-bench reads them, with FLAC inside.

    Raises:
        StoreError: the file can't be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile

    rows = []
    for turn in turns:
        sound = io.BytesIO()
        soundfile.write(sound, turn.pcm, RATE_HZ, format="FLAC")
        spans = [{"start": s.start_s, "end": s.end_s} for s in turn.silences]
        audio = {"bytes": sound.getvalue(), "path": f"{turn.id}.flac"}
        rows.append(
            {"id": turn.id, "language": turn.language, "audio": audio, "silence_spans": spans}
        )
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    atomic_write(path, buffer.getvalue())
