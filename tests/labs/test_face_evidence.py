"""Rows of a page's times that were changed afterwards are named; a page's own are not."""

from dataclasses import replace

import pytest

from bench.simulated.turns import write_example_run
from bench.store.face_frames import frames_of, write_face
from bench.store.store import read_run
from labs.evidence.face import face_times, print_of
from labs.grading.worker import grade_one

RATE_HZ = 22_050
SAMPLES = 1764  # 80 ms


def measured(count=20, page=0, trial="play"):
    """As a page tells it: frames of 80 ms, each drawn 0–16 ms after it is heard."""
    rows = [
        {"trial": trial, "at": i * SAMPLES, "samples": SAMPLES, "mouth": i % 10 / 10,
         "heard_ms": 500.25 + 80.0 * i, "drawn_ms": 500.25 + 80.0 * i + 5 * i % 16}
        for i in range(count)
    ]  # fmt: skip
    return frames_of(rows, page, rtt_ns=800_000, offset_ns=123_456_789)


def moved(frames, ms):
    """The same frames, heard and drawn so much later, by both clocks."""
    return [
        replace(
            f,
            heard_ms=f.heard_ms + ms,
            drawn_ms=f.drawn_ms + ms,
            heard_ns=f.heard_ns + ms * 1_000_000,
        )
        for f in frames
    ]


def said(frames, run=None):
    return [text for _, text in face_times(frames, run)]


def changed(which, **values):
    frames = measured()
    frames[which] = replace(frames[which], **values)
    return frames


def test_what_a_page_reported_agrees_with_itself_also_where_two_pages_looked_on():
    assert said(measured()) == []
    assert said([*measured(), *measured(page=1)]) == []
    assert said([]) == []


def test_a_pause_between_two_replies_and_frames_that_were_never_heard_are_no_contradiction():
    frames = measured()
    assert said([*frames[:9], *moved(frames[12:], 900)]) == []


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (changed(3, offset_ms=1.0), "offset_ms says 1.0, drawn − heard is 15.0"),
        (changed(3, mouth=float("nan")), "is not a finite number"),
        (changed(3, offset_ms=float("nan")), "is not a finite number"),
        (changed(3, mouth=1.5), "mouth 1.5 of 1764 samples can't be"),
        (changed(3, drawn_ms=640.25, offset_ms=-100.0), "drawn 100 ms before it was heard"),
        (changed(3, heard_ns=5), "tied by more than one offset"),
        (changed(3, heard_ns=None), "tied by more than one offset"),
        (changed(3, sync_error_ms=9.0), "sync_error_ms is not one"),
        (changed(3, at_sample=2 * SAMPLES + 5), "are frames of one moment"),
    ],
)
def test_a_changed_row_is_named_with_what_it_breaks(frames, words):
    (text,) = said(frames)
    assert words in text


def test_times_that_are_moved_so_that_the_offset_shrinks_break_the_voice_s_pace():
    frames = measured()
    (text,) = said([*frames[:7], *moved(frames[7:], -60)])
    assert "sample 12348 was heard 20 ms after 10584, sooner than a voice at 22050 Hz" in text


@pytest.fixture
def run(tmp_path):
    write_example_run(tmp_path / "run", trials=1)
    return read_run(tmp_path / "run")


def beside(run, later_ns):
    """A frame that begins with the first written chunk, heard so long after it was written."""
    trial = run.trials[0]
    writes = [m for m in run.marks(trial.trial_id) if (m.stage, m.event) == ("link", "write")]
    assert writes
    rows = [
        {"trial": trial.trial_id, "at": round(m.value), "samples": 10, "mouth": 0.5,
         "heard_ms": (m.t_ns + later_ns) / 1e6, "drawn_ms": (m.t_ns + later_ns) / 1e6 + 4}
        for m in writes[:1]
    ]  # fmt: skip
    return frames_of(rows, 0, rtt_ns=800_000, offset_ns=0)


def test_beside_a_run_a_frame_is_heard_after_it_was_written(run):
    assert said(beside(run, 160_000_000), run) == []
    early = said(beside(run, -160_000_000), run)
    assert "160 ms before the agent wrote it" in early[-1]


def test_a_trial_that_the_run_has_not_is_named(run):
    assert "which the run has not" in said(measured(), run)[0]


def test_the_same_times_have_one_print_and_others_another():
    assert print_of(moved(measured(), 10_000)) == print_of(measured())
    assert print_of(changed(3, drawn_ms=760.0)) != print_of(measured())


@pytest.mark.parametrize("honest", [True, False])
def test_the_grader_reads_a_face_without_a_run(tmp_path, honest):
    folder = tmp_path / "hers"
    (folder / "results" / "play").mkdir(parents=True)
    write_face(folder / "results" / "play", measured() if honest else changed(3, offset_ms=1.0))
    graded = grade_one(folder, "5c", "")
    kinds = [finding["kind"] for finding in graded.findings]
    assert kinds == ([] if honest else ["face"])
    assert list(graded.prints.values()) == ["face of play/"]
