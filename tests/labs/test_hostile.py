"""Submissions that are made to harm the grader itself: what they try does not come about."""

import csv
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from labs.grading import sizes
from labs.grading.grade import grade_class
from labs.grading.pages import write_all
from labs.grading.sizes import check_sizes
from labs.grading.worker import Graded, grade_one
from labs.pack import PackError


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["labs", "numpy"])
def test_a_folder_with_the_name_of_a_package_is_not_imported(tmp_path, monkeypatch, name):
    """The teacher stands in the class's folder; a student's folder there is called as ours is."""
    hers = tmp_path / name
    hers.mkdir()
    told = f"open({str(tmp_path / 'was-run')!r}, 'w').close()\n"
    for file in ("__init__.py", "worker.py"):
        (hers / file).write_text(told, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (one,) = grade_class([hers], "5c", "", lambda _: None)
    assert not (tmp_path / "was-run").exists()
    assert len(one.results) > 10


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "LARGEST_ROWS", 1000)
    monkeypatch.setattr(sizes, "LARGEST_S", 2.0)
    (tmp_path / "results" / "play").mkdir(parents=True)
    return tmp_path


def test_a_table_that_is_small_until_it_is_read_is_refused(root):
    path = root / "results" / "play" / "face.parquet"
    pq.write_table(pa.table({"at": np.zeros(1000)}), path)
    check_sizes(root)
    pq.write_table(pa.table({"at": np.zeros(1001)}), path)
    with pytest.raises(PackError, match=r"'results/play/face\.parquet' has 1,001 rows"):
        check_sizes(root)
    assert "refused" in grade_one(root, "5c", "").error


def test_hours_of_silence_are_refused(root):
    path = root / "results" / "play" / "a.flac"
    soundfile.write(path, np.zeros((32_000, 2), np.int16), 16_000)
    check_sizes(root)
    soundfile.write(path, np.zeros((32_001, 2), np.int16), 16_000)
    with pytest.raises(PackError, match=r"a\.flac' lasts 2 s, over 2 s"):
        check_sizes(root)


@pytest.mark.parametrize("name", ["x.parquet", "x.flac"])
def test_a_damaged_file_is_left_to_whoever_reads_it(root, name):
    damaged = b"PAR1 fLaC no"
    (root / name).write_bytes(damaged)
    check_sizes(root)
    assert (root / name).read_bytes() == damaged


def test_half_a_character_and_a_broken_page_keep_no_page_of_the_others(tmp_path):
    odd = Graded("a\ud800.zip", student="=\udcff", error="\ud83d")
    broken = Graded("b.zip", lab="5a", findings=[{"kind": "copy", "text": "no run named"}])
    fine = Graded("c.zip", student="C")
    told: list[str] = []
    path = write_all([odd, broken, fine], tmp_path, "no sandbox", told.append)
    assert [line.partition(":")[0] for line in told] == ["b.zip"]
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a\ufffd.zip", "b.zip", "c.zip"]
    assert rows[0]["student"] == "'=\ufffd"
    assert sorted(p.name for p in tmp_path.glob("*.html")) == ["a_.html", "c.html"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "manifest",
    [
        b'{"lab": "5c", "student": "\\ud800", "files": {}}',
        b"[" * 100_000,
        b'{"lab": "\xff"}',
    ],
)
def test_a_submission_whose_manifest_is_odd_is_graded_or_refused_in_a_sentence(tmp_path, manifest):
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("submission.json", manifest)
        archive.writestr("answers.toml", "a = " + "[" * 100_000)
    (one,) = grade_class([tmp_path / "one.zip"], "5c", "", lambda _: None)
    if one.error:
        assert "submission.json: the file is damaged" in one.error
    else:
        assert one.student == "\ufffd"
        assert len(one.results) > 10
    write_all([one], tmp_path / "out", "no sandbox")
