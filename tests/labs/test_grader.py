"""A made class is graded once: what is wrong with each submission is named, and none ends it."""

import csv
import os
import re
import shutil
import socket
from functools import cache
from pathlib import Path

import psutil
import pytest

from labs.examples.classroom import CHANGES, CODE, make_class
from labs.grading.grade import grade_class, submissions
from labs.grading.pages import LIMITS, write_all
from labs.grading.sandbox import NOBODY, Bubblewrap, find_sandbox
from labs.grading.worker import Graded

pytestmark = pytest.mark.timeout(1800)

CALL_S = 5.0
FOUND = cache(find_sandbox)
"""Tried once, and not while tests are collected."""


@pytest.fixture
def box() -> Bubblewrap:
    found, why = FOUND()
    if found is None:
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory, port) -> Path:
    made = tmp_path_factory.mktemp("class") / "in"
    make_class(made, port.getsockname()[1])
    return made


@pytest.fixture(scope="module")
def graded(folder) -> dict[str, Graded]:
    found_box, _ = FOUND()
    program = found_box.program if found_box is not None else ""
    found = grade_class(submissions(folder), "", program, lambda _: None, call_s=CALL_S)
    return {one.file.removesuffix(".zip"): one for one in found}


def kinds(one: Graded) -> set[str]:
    return {finding["kind"] for finding in one.findings}


def verdict(one: Graded, check: str) -> tuple[bool | None, str]:
    return next((r["passed"], r["why"]) for r in one.results if r["name"] == check)


def test_every_submission_is_graded_or_refused_with_the_reason(graded, folder):
    assert len(graded) == len(list(folder.glob("*.zip"))) == len(CHANGES) + len(CODE) + 10
    for one in graded.values():
        assert one.results or one.error


def test_a_perfect_one_passes_all_and_nothing_is_named(graded):
    one = graded["perfect"]
    wanted = True if FOUND()[0] is not None else None
    code = {"waterfall-bars", "floor-rule", "prosody-features"}
    for result in one.results:
        assert result["passed"] is (wanted if result["name"] in code else True), result
    assert not one.findings
    assert one.student == "perfect"


def test_an_honest_start_that_lacks_the_rest_is_not_accused(graded):
    one = graded["honest"]
    assert kinds(one) == {"copy"}  # it was copied, below
    assert verdict(one, "answers-heard")[0] is True
    passed, why = verdict(one, "one-change")
    assert passed is False
    assert "results/pair is not there yet" in why


def test_an_incomplete_one_is_named_with_what_is_missing(graded):
    one = graded["incomplete"]
    assert "waterfall.py is not there yet" in verdict(one, "waterfall-bars")[1]
    assert "not answered yet" in verdict(one, "floor-predicted")[1]
    assert not one.findings


def test_a_wrong_rule_fails_and_the_answer_is_not_given(box, graded):
    passed, why = verdict(graded["wrong"], "floor-rule")
    assert passed is False
    assert "sum" not in why


def test_an_edited_figure_is_named_with_both_values(graded):
    one = graded["edited-figures"]
    assert kinds(one) == {"figure"}
    text = next(f["text"] for f in one.findings if "voice_to_voice" in f["text"])
    said, found = (float(x) for x in re.findall(r"(?:says|give) ([0-9.]+) ms", text))
    assert found == pytest.approx(2 * said, rel=1e-4)


@pytest.mark.parametrize("name", ["edited-marks", "shifted-answer"])
def test_marks_and_recording_that_do_not_fit_are_named(graded, name):
    one = graded[name]
    assert "agent" in kinds(one)
    assert "figure" not in kinds(one)


def test_a_recording_of_another_fixture_is_named(graded):
    found = [f for f in graded["other-fixture"].findings if f["kind"] == "user"]
    assert [f["trial"] for f in found] == ["base.cmd_wave.0"]
    assert "cmd_wave" in found[0]["text"]
    copies = [f for f in graded["other-fixture"].findings if f["kind"] == "copy"]
    assert any("base.cmd_dance.0" in f["text"] for f in copies)


def test_two_with_the_same_recordings_are_both_named(graded):
    assert any("copied.zip" in f["text"] for f in graded["honest"].findings)
    assert any("honest.zip" in f["text"] for f in graded["copied"].findings)


def test_a_file_that_was_added_after_packing_is_named(graded):
    changed = [f["text"] for f in graded["late-change"].findings if f["kind"] == "changed"]
    assert changed == ["results/base/notes.txt was added after the rest was packed"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("broken", "no whole zip"),
        ("no-zip", "no whole zip"),
        ("traversal", "leads out of the folder"),
        ("link", "is a link or a device"),
        ("bomb", "zip bomb"),
        ("crowd", "2500 files"),
        ("other-lab", "There is no lab '9z'"),
    ],
)
def test_a_zip_that_is_no_submission_is_refused(graded, name, words):
    assert words in graded[name].error
    assert not graded[name].results


def test_a_refused_zip_wrote_nothing_outside(graded, folder):
    assert graded["traversal"].error
    assert not list(folder.parent.rglob("outside.txt"))
    assert not list(folder.parent.parent.glob("outside.txt"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("endless-loop", "did not end within"),
        ("memory-hog", "MemoryError"),
        ("fork-bomb", "did not end within"),
        ("flood", "gave nothing back"),
        ("crash", "ended with code 3"),
        ("network", "ConnectionRefusedError"),
        ("vandal", "OSError: [Errno 30]"),
    ],
)
def test_code_that_misbehaves_fails_its_check_and_no_more(box, graded, name, words):
    passed, why = verdict(graded[name], "floor-rule")
    assert passed is False
    assert words in why
    assert len(graded[name].results) == len(graded["perfect"].results)
    assert not graded[name].findings


def test_code_sees_no_file_of_the_machine(box, graded):
    assert verdict(graded["spy"], "floor-rule") == (
        True,
        "predict_floor() is right for stages that never vary.",
    )


def test_no_connection_was_made(box, graded, port):
    assert graded["network"].results
    with pytest.raises(TimeoutError):
        port.accept()


def test_nothing_of_a_fork_bomb_is_left(box, graded):
    assert graded["fork-bomb"].results
    left = [
        p
        for p in psutil.process_iter(["cmdline"])
        if "/grader/child.py" in (p.info["cmdline"] or [])
    ]
    assert not left
    if os.geteuid() == 0:
        owned = [p.pid for p in psutil.process_iter(["uids"]) if p.info["uids"].real == NOBODY]
        assert not owned


def test_the_table_and_the_pages_hold_every_submission(graded, tmp_path):
    path = write_all(list(graded.values()), tmp_path, FOUND()[1])
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["file"] for row in rows] == [one.file for one in graded.values()]
    by_file = {row["file"]: row for row in rows}
    assert by_file["perfect.zip"]["floor-heard"] == "passed"
    assert by_file["bomb.zip"]["error"].startswith("refused: a zip bomb")
    for row in rows:
        page = (tmp_path / row["page"]).read_text(encoding="utf-8")
        assert row["file"] in page
        assert LIMITS in page.replace("&#x27;", "'")


def test_without_a_sandbox_no_code_is_run_and_the_data_is_graded(folder, tmp_path):
    own = tmp_path / "class"
    own.mkdir()
    shutil.copy(folder / "wrong.zip", own)
    (one,) = grade_class(submissions(own), "", "", lambda _: None)
    assert verdict(one, "floor-rule")[0] is None
    assert "was not run" in verdict(one, "floor-rule")[1]
    assert verdict(one, "answers-heard")[0] is True
