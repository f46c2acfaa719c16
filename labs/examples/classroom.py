"""A made-up class: submissions of lab 5a with one fault in each, for tests.

The runs in them were never measured: marks, recordings and figures are made so that they fit. The
grader finds nothing wrong with `perfect`: that is the limit which its pages name.
"""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.metrics.recompute import analyse
from bench.store import store
from bench.store.recording import read_recording, write_recording
from bench.timeline.lateness import with_lateness
from labs import catalogue
from labs.examples.work import write_perfect
from labs.pack import pack
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark

Change = Callable[[Path], None]


# The faults: each changes a working folder


def _wrong_floor(folder: Path) -> None:
    _replace(folder / "floor.py", "return sum(", "return max(")


def _edited_figures(folder: Path) -> None:
    run = folder / "results" / "base"
    rows = store.read_metrics(run)
    edited = [
        replace(r, value=r.value / 2) if r.metric == "voice_to_voice" and r.value else r
        for r in rows
    ]
    store.write_metrics(run, edited)


def _edited_marks(folder: Path) -> None:
    """The ear's marks of one trial are moved 100 ms forward, and the figures computed again."""
    run = folder / "results" / "base"

    def earlier(mark: Mark) -> Mark:
        moved = mark.stage in ("ear", "link") and mark.event != "chunk_in"
        return replace(mark, t_ns=mark.t_ns - 100 * NS_PER_MS) if moved else mark

    _rewrite(run, lambda trial_id, marks: [earlier(m) for m in marks])


def _rewrite(run_dir: Path, change: Callable[[str, list[Mark]], list[Mark]]) -> None:
    run = store.read_run(run_dir)
    (run_dir / "trials.parquet").unlink()
    (run_dir / "marks.parquet").unlink()
    for trial in run.trials:
        marks = change(trial.trial_id, run.marks(trial.trial_id))
        store.write_trial(run_dir, with_lateness(trial, marks, run.recording(trial)), marks)
    analyse(run_dir)


def _other_fixture(folder: Path) -> None:
    """The recording of one sentence replaces that of another."""
    audio = folder / "results" / "base" / "audio"
    shutil.copy(audio / "base.cmd_dance.0.flac", audio / "base.cmd_wave.0.flac")
    analyse(folder / "results" / "base")


def _shifted_answer(folder: Path) -> None:
    """In the recordings the agent answers 120 ms earlier; the figures are computed again."""
    run = folder / "results" / "base"
    for path in (run / "audio").glob("*.flac"):
        pcm, rate_hz = read_recording(path)
        cut = rate_hz * 120 // 1000
        pcm[:-cut, 1] = pcm[cut:, 1].copy()
        write_recording(path, pcm, rate_hz)
    analyse(run)


def _incomplete(folder: Path) -> None:
    shutil.copy(catalogue.folder("5a") / "starter" / "answers.toml", folder)
    (folder / "waterfall.py").unlink()


def _code(body: str) -> Change:
    def change(folder: Path) -> None:
        text = f"import os, socket, sys, time\n\n\ndef predict_floor(stages):\n{body}\n"
        (folder / "floor.py").write_text(text, encoding="utf-8")

    return change


SUM = "    return sum(sorted(v)[len(v) // 2] for v in stages.values())"

CHANGES: Mapping[str, Change] = {
    "honest": lambda folder: None,
    "incomplete": _incomplete,
    "wrong": _wrong_floor,
    "edited-figures": _edited_figures,
    "edited-marks": _edited_marks,
    "other-fixture": _other_fixture,
    "shifted-answer": _shifted_answer,
}
"""Name → the fault of its runs, or its answers."""
CODE: Mapping[str, Change] = {
    "endless-loop": _code("    while True: pass"),
    "memory-hog": _code(f"    held = bytearray(8 * 2**30)\n{SUM}"),
    "fork-bomb": _code("    while True:\n        try: os.fork()\n        except OSError: pass"),
    "flood": _code("    while True: print('x' * 10**6)"),
    "crash": _code("    os._exit(3)"),
    "network": _code(f"    socket.create_connection(('127.0.0.1', PORT), 2).close()\n{SUM}"),
    "spy": _code(f"    assert not os.path.exists('/etc/passwd')\n{SUM}"),
    "vandal": _code(f"    open('/submission/floor.py', 'w').write('')\n{SUM}"),
}
"""Name → the behaviour of its code; there are no runs. `PORT` in ``network`` is to be replaced."""


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path}: {old!r} is not in it")
    path.write_text(text.replace(old, new), encoding="utf-8")


def make_class(folder: Path, port: int = 9) -> list[Path]:
    """Writes a class's submissions.

    Args:
        folder: Where the zips go.
        port: On this machine, to which ``network`` tries to connect.

    Returns:
        The zips: perfect, one for each of `CHANGES` and `CODE`, a copied one, and broken ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lab = catalogue.load("5a")
    work = folder / ".work"
    write_perfect(work / "perfect", seed=1)
    pack(lab, work / "perfect", "perfect", folder / "perfect.zip")
    for seed, (name, change) in enumerate({**CHANGES, **CODE}.items(), start=2):
        own = work / name
        write_perfect(own, seed, runs="" if name in CODE else "base")
        change(own)
        if name == "network":
            _replace(own / "floor.py", "PORT", str(port))
        pack(lab, own, name, folder / f"{name}.zip")
    shutil.copytree(work / "honest", work / "copied")
    pack(lab, work / "copied", "copied", folder / "copied.zip")
    whole = (folder / "honest.zip").read_bytes()
    (folder / "broken.zip").write_bytes(whole[: len(whole) // 2])
    (folder / "no-zip.zip").write_text("I was ill", encoding="utf-8")
    shutil.copy(folder / "honest.zip", folder / "late-change.zip")
    with zipfile.ZipFile(folder / "late-change.zip", "a") as archive:
        archive.writestr("results/base/notes.txt", "added")
    with zipfile.ZipFile(folder / "traversal.zip", "w") as archive:
        archive.writestr("../../outside.txt", "out")
    with zipfile.ZipFile(folder / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("answers.toml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prosody.csv", bytes(64 * 2**20))
    with zipfile.ZipFile(folder / "crowd.zip", "w") as archive:
        for i in range(2500):
            archive.writestr(f"roundtrip/{i}.wav", "")
    with zipfile.ZipFile(folder / "other-lab.zip", "w") as archive:
        archive.writestr("submission.json", json.dumps({"lab": "9z", "files": {}}))
    shutil.rmtree(work)
    return sorted(folder.glob("*.zip"))
