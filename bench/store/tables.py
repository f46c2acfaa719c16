"""Tables on disk: records and marks as arrow's tables, and those as Parquet files.

What a file lacks, or that it is damaged or newer than this program, is one sentence.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.store.atomic import StoreError, atomic_write, explained
from bench.store.schema import SCHEMA_VERSION, TABLES, VERSION_KEY, arrow_schema
from pipelines.guards.texts import whole
from pipelines.marks import Mark


def as_table(name: str, records: Sequence[object], **columns: list[Any]) -> pa.Table:
    """Records as a table; columns that are not fields of the records are passed as arguments."""
    schema = arrow_schema(name)
    fields = [field for field in schema.names if field not in columns]
    texts = {column.name for column in TABLES[name] if column.type == "string"}
    data = {field: [getattr(record, field) for record in records] for field in fields}
    for field in texts & data.keys():
        data[field] = [whole(text) if text else text for text in data[field]]
    return pa.Table.from_pydict({**columns, **data}, schema=schema)


def marks_of(columns: Mapping[str, Sequence[Any]]) -> list[Mark]:
    """A mark per row, as ``Mark(…)`` would make it: field by field, which takes half the time."""
    marks = list(map(object.__new__, repeat(Mark, len(columns["t_ns"]))))
    for name, values in columns.items():
        # A frozen dataclass has no other way in than its slots.
        deque(map(getattr(Mark, name).__set__, marks, values), maxlen=0)
    return marks


def values_of(column: pa.ChunkedArray, rows: NDArray[np.intp] | None = None) -> list[Any]:
    """As ``to_pylist``, but many times faster: a run has millions of marks.

    Args:
        column: Of texts (as such, or as a dictionary), numbers or booleans.
        rows: Only these; None for all.
    """
    array = column.combine_chunks()
    if pa.types.is_string(array.type):
        array = array.dictionary_encode()
    is_text = pa.types.is_dictionary(array.type)
    numbers, known = numbers_of(array.indices if is_text else array)
    if rows is not None:
        numbers, known = numbers[rows], known if known is None else known[rows]
    if is_text:
        words = [*array.dictionary.to_pylist(), None]
        indices = numbers if known is None else np.where(known, numbers, len(words) - 1)
        return [words[i] for i in indices.tolist()]
    values: list[Any] = numbers.tolist()
    for i in [] if known is None else np.flatnonzero(~known).tolist():
        values[i] = None
    return values


def numbers_of(array: pa.Array) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """An array's numbers, and which of them are known (None: all).

    Without ``to_numpy``, which imports pandas: that takes longer than this function.
    """
    if pa.types.is_boolean(array.type):
        numbers, known = numbers_of(array.cast(pa.uint8()))
        return numbers.astype(np.bool_), known
    if array.null_count == 0:
        return np.from_dlpack(array), None
    known, _ = numbers_of(array.is_valid())
    full = pa.Array.from_buffers(
        array.type, len(array), [None, array.buffers()[1]], offset=array.offset
    )
    return np.from_dlpack(full), known


def write_tables(path: Path, name: str, tables: Sequence[pa.Table]) -> None:
    """Writes a file with one row group per table."""
    schema, buffer = arrow_schema(name), io.BytesIO()
    whole = [column.name for column in TABLES[name] if column.type == "int64"]
    with pq.ParquetWriter(
        buffer,
        schema,
        compression="zstd",
        # Times and numbers hardly repeat, but grow: their differences are small.
        use_dictionary=[field for field in schema.names if field not in whole],
        column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
    ) as writer:
        for table in tables:
            writer.write_table(table.cast(schema))  # texts may be dictionaries
    atomic_write(path, buffer.getvalue())


def open_table(path: Path, name: str, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Opens a table's file; the columns in ``dictionaries`` are read in their stored form.

    Whoever reads from it does so with ``use_threads=False``. A thread of arrow's that lets go of
    the file's bytes asks Python for leave; where Python has just begun to end, that thread is
    ended instead, and takes the process with it ("terminate called without an active exception",
    exit code 134), after everything was printed.
    """
    if not path.exists():
        raise StoreError(f"{path}: the file is missing; the run's folder is not whole")
    with explained(path):
        data = path.read_bytes()
    with damage(path):
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=dictionaries)
        schema = file.schema_arrow
    version = int((schema.metadata or {}).get(VERSION_KEY, b"0"))
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: written by a newer duplex-lab (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); update duplex-lab"
        )
    known = frozenset(schema.names)
    wanted = [c.name for c in TABLES[name] if c.since <= max(1, version)]
    missing = [column for column in wanted if column not in known]
    if missing or version < 1:
        lacks = f"the column {missing[0]!r}" if missing else "its schema version"
        raise StoreError(f"{path}: not a {name} table of duplex-lab, it lacks {lacks}")
    return file


def read_table(path: Path, name: str) -> pa.Table:
    """Reads a table whole.

    Raises:
        StoreError: the file is missing, damaged, another table or newer than this program.
    """
    file = open_table(path, name)
    with damage(path):
        known = file.schema_arrow.names  # an older file lacks later columns
        columns = [c.name for c in TABLES[name] if c.name in known]
        table = file.read(columns=columns, use_threads=False)
        table.validate(full=True)  # a text that is not UTF-8 among them
        return table


def read_marks(path: Path) -> dict[str, pa.Table]:
    """Trial id → its marks: each row group is one trial."""
    # Texts as dictionaries, as they are stored: half the memory and half the time.
    texts = [column.name for column in TABLES["marks"] if column.type == "string"]
    file = open_table(path, "marks", dictionaries=texts)
    found, start = {}, 0
    with damage(path):
        table = file.read(use_threads=False)
        table.validate(full=True)
        for i in range(file.num_row_groups):
            length = file.metadata.row_group(i).num_rows
            group, start = table.slice(start, length), start + length
            if length:
                found[group["trial_id"][0].as_py()] = group
    return found


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """The message of arrow about a file whose middle is broken, as one sentence."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path}: the file is damaged ({str(error).splitlines()[0]})") from None
