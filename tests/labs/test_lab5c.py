"""Lab 5c: what its checks say of the starter, of the worked solution, and of wrong work."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.store.face_frames import frames_of, read_face, write_face
from labs.check import Submission, examine
from labs.code import OwnBox
from labs.grading.worker import grade_one
from labs.lab5c_face import checks
from labs.lab5c_face.playing import SENTENCES, Reply, messages, track_of, write_messages, write_wav
from labs.pack import pack
from pipelines.audio.openness import Smoother, openness
from pipelines.face.visemes import Phone, blend, spread

HOME = Path(checks.__file__).parent


def work(tmp_path, of="starter"):
    """A student's folder, with the starter's files or the solution's over them."""
    for source in ("starter", *(["solution"] if of == "solution" else [])):
        shutil.copytree(HOME / source, tmp_path / "work", dirs_exist_ok=True)
    return Submission(tmp_path / "work", OwnBox())


def verdict(submission, name):
    only = tuple(check for check in checks.LAB.checks if check.name == name)
    (found,) = examine(replace(checks.LAB, checks=only), submission)
    return found.verdict


def test_the_starter_passes_nothing(tmp_path):
    results = examine(checks.LAB, work(tmp_path))
    assert [r.check.name for r in results if r.verdict.passed is not False] == []


@pytest.mark.parametrize(
    "name", ["mouth_rms", "mouth_smooth", "lips_blend", "states_stories", "states_words"]
)
def test_the_solution_s_functions_and_table_pass(tmp_path, name):
    found = getattr(checks, name)(work(tmp_path, "solution"))
    assert found.passed, found.why


def test_a_mouth_that_snaps_is_not_smooth(tmp_path):
    submission = work(tmp_path, "solution")
    (submission.root / "mouth.py").write_text("def smooth(values):\n    return values\n")
    assert checks.mouth_smooth(submission).passed is False


def test_lips_that_stay_open_for_an_m_are_found(tmp_path):
    submission = work(tmp_path, "solution")
    lips = submission.root / "lips.py"
    lips.write_text(lips.read_text().replace("REACH_MS = 20.0", "REACH_MS = 90.0"))
    found = checks.lips_blend(submission)
    assert (found.passed, "for an m" in found.why) == (False, True)


def test_a_promise_counts_before_the_voice_begins(tmp_path):
    submission = work(tmp_path, "solution")
    table = submission.root / "states.toml"
    text = table.read_text()
    assert 'event = "promised"\nfrom = ["listening", "thinking", "speaking"]' in text
    table.write_text(
        text.replace(
            'event = "promised"\nfrom = ["listening", "thinking", "speaking"]',
            'event = "promised"\nfrom = ["speaking"]',
        )
    )
    found = checks.states_stories(submission)
    assert (found.passed, found.why) == (False, "after user_stopped, promised it is thinking.")


def measured(submission, drawn_late_ms):
    """A whole submission whose page drew every frame so late."""
    root = submission.root
    loud = np.where(np.arange(1764 * 40) % 2, 9000, -9000) * (np.arange(1764 * 40) / 70560)
    spoken = []
    for sentence, text in enumerate(SENTENCES):
        phones = tuple(Phone("ɑː" if i % 2 else "m", i * 200, i * 200 + 200) for i in range(16))
        reply = Reply(text, loud.astype(np.int16), phones)

        def smooth(values):
            follow = Smoother()
            return [follow.step(v) for v in values]

        def lips(track, t_ms, phones=phones):
            shape = blend(spread(phones), t_ms)
            return [shape.open, shape.wide, shape.round]

        first = sentence * len(loud)
        spoken += messages(reply, first, root / "states.toml", openness, smooth, lips)
    write_messages(root / "messages.jsonl", spoken)
    write_wav(root / "reply.wav", loud.astype(np.int16))
    rows = [
        {"trial": "play", "at": m.at, "samples": m.samples, "mouth": round(m.mouth, 3),
         "heard_ms": 80.0 * i, "drawn_ms": 80.0 * i + drawn_late_ms}
        for i, m in enumerate(spoken) if m.samples
    ]  # fmt: skip
    (root / "results/play").mkdir(parents=True)
    write_face(root / "results/play", frames_of(rows, 0, 10, 0))
    answers = f'[offset]\nbrowser = "x"\np50_ms = {drawn_late_ms}\np95_ms = {drawn_late_ms}\n'
    (root / "answers.toml").write_text(answers)


def test_an_offset_is_recomputed_and_must_agree(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    found = checks.messages_agree(submission)
    assert found.passed, found.why
    assert checks.offset_measured(submission).passed
    assert checks.offset_small(submission).passed
    answers = submission.root / "answers.toml"
    answers.write_text(answers.read_text().replace("p95_ms = 12.0", "p95_ms = 3.0"))
    assert "not what face.parquet gives" in checks.offset_measured(submission).why


def test_messages_that_another_mouth_made_are_found(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    mouth = submission.root / "mouth.py"
    mouth.write_text(mouth.read_text().replace("RISE, FALL = 0.8", "RISE, FALL = 0.6"))
    assert "other mouths of reply.wav" in checks.messages_agree(submission).why


@pytest.mark.parametrize("data", [b"RIFF", b"", b"no sound"])
def test_a_reply_that_is_no_sound_is_reported(tmp_path, data):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    (submission.root / "reply.wav").write_bytes(data)
    assert "is not a WAV file" in verdict(submission, "messages-agree").why


def test_frames_that_are_left_out_are_missed(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    frames = read_face(submission.root / "results/play")
    write_face(submission.root / "results/play", frames[::2])
    assert "60 of 120 frames, fewer than 90%" in checks.offset_measured(submission).why


def test_an_answer_of_nan_passes_nothing(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    answers = submission.root / "answers.toml"
    answers.write_text(answers.read_text().replace("p50_ms = 12.0", "p50_ms = nan"))
    assert verdict(submission, "offset-measured").passed is False


def test_what_is_packed_is_enough_for_the_same_verdicts(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    here = {r.check.name: r.verdict.passed for r in examine(checks.LAB, submission)}
    pack(checks.LAB, submission.root, "her", tmp_path / "her.zip")
    graded = grade_one(tmp_path / "her.zip", "", "")
    code = {"mouth-rms", "mouth-smooth", "lips-blend", "messages-agree"}
    there = {r["name"]: r["passed"] for r in graded.results}
    assert there == {name: None if name in code else passed for name, passed in here.items()}
    assert here["offset-measured"] and graded.findings == []


def test_a_mouth_that_comes_too_late_does_not_pass(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 120.0)
    assert checks.offset_small(submission).passed is False


def test_rows_of_other_messages_are_found(tmp_path):
    submission = work(tmp_path, "solution")
    measured(submission, 12.0)
    path = submission.root / "messages.jsonl"
    path.write_text(path.read_text().replace('"mouth":0.9', '"mouth":0.1'))
    assert "not measured with these messages" in checks.offset_measured(submission).why


def test_without_a_browser_it_is_said_and_left_to_a_person(tmp_path):
    submission = work(tmp_path, "solution")
    (submission.root / "answers.toml").write_text('[offset]\nbrowser = "none"\n')
    assert "a person decides" in checks.offset_measured(submission).why


def test_a_track_is_plain_numbers():
    assert track_of([Phone("m", 0, 80)]) == [([0.0, 0.25, 0.0, 2.5], 0, 80)]


def test_the_readme_lists_every_check():
    text = (HOME / "README.md").read_text(encoding="utf-8")
    for check in checks.LAB.checks:
        assert f"- `{check.name}`: {check.what}" in text
