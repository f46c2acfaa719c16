import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.store.atomic import StoreError
from bench.store.face_frames import COLUMNS, FaceFrame, frames_of, offsets, read_face, write_face


def row(i, heard_ms, drawn_ms, trial="a"):
    return {"trial": trial, "at": i * 1920, "samples": 1920, "mouth": 0.5} | {
        "heard_ms": heard_ms, "drawn_ms": drawn_ms,
    }  # fmt: skip


def test_the_offset_is_signed_and_the_machine_s_clock_is_tied_by_the_quickest_ping():
    (late, early) = frames_of(
        [row(0, 1000.0, 1010.0), row(1, 1080.0, 1075.0)], 0, rtt_ns=2_000_000, offset_ns=5
    )
    assert (late.offset_ms, early.offset_ms) == (10.0, -5.0)
    assert late.heard_ns == 1_000_000_005
    assert late.sync_error_ms == 1.0


def test_without_a_ping_the_machine_s_time_is_null_and_the_offset_stands():
    (frame,) = frames_of([row(0, 1.0, 2.0)], 0, None, 0)
    assert (frame.heard_ns, frame.sync_error_ms, frame.offset_ms) == (None, None, 1.0)


def test_what_is_no_row_is_left_out():
    assert frames_of([{"at": 1}, {"trial": "x"}, row(0, 1.0, 2.0)], 0, None, 0) != []
    assert len(frames_of([{"at": 1}, row(0, 1.0, 2.0)], 0, None, 0)) == 1


def test_quantiles_are_of_the_signed_offset_and_the_limit_s_of_its_size():
    frames = frames_of([row(i, 0.0, float(i - 10)) for i in range(21)], 0, None, 0)
    found = offsets(frames)
    assert (found.frames, found.p5_ms, found.p50_ms, found.p95_ms) == (21, -9.0, 0.0, 9.0)
    assert found.abs_p95_ms == 10.0


def test_no_frame_gives_no_figure():
    assert offsets([]).abs_p95_ms is None


def test_a_table_is_written_and_read_back(tmp_path):
    frames = frames_of([row(0, 1.0, 2.0), row(1, 3.0, 2.0)], 1, 100, 7)
    write_face(tmp_path, frames)
    assert read_face(tmp_path) == frames
    assert [f.name for f in pq.read_schema(tmp_path / "face.parquet")] == [c.name for c in COLUMNS]
    assert read_face(tmp_path / "elsewhere") == []


def test_a_damaged_or_foreign_table_is_reported(tmp_path):
    path = tmp_path / "face.parquet"
    path.write_bytes(b"no")
    with pytest.raises(StoreError, match="damaged"):
        read_face(tmp_path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(StoreError, match="version 0"):
        read_face(tmp_path)


def test_the_columns_are_the_record_s_fields():
    assert tuple(FaceFrame.__dataclass_fields__) == tuple(c.name for c in COLUMNS)
