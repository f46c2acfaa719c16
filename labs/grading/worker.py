"""Grades each submission in a process of its own: a submission may break its reader.

Started by `grade` as ``python -m labs.grading.worker``. It imports what grading needs, once, and
forks for each order; the child writes its result into a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.store import store
from bench.store.face_frames import FILE as FACE
from bench.store.face_frames import read_face
from bench.store.recording import AGENT
from labs import catalogue, pack
from labs.check import Submission, examine
from labs.evidence.audit import audit
from labs.evidence.face import face_times, print_of
from labs.evidence.finding import Finding
from labs.grading.sandbox import Bubblewrap, readable
from labs.grading.sizes import check_sizes
from pipelines.errors import LabError
from pipelines.process.scratch import Scratch

MEMORY_GB = 8
"""Address space of the worker, GB: everything that is read of a submission must fit."""


WARM = ("bench.metrics.recompute", "jiwer", "matplotlib.figure", "matplotlib.image",
        "pyarrow.compute", "scipy.stats", "soxr", "whisper_normalizer.english")  # fmt: skip
"""Modules that most gradings import: here once, before the first."""


@dataclass(frozen=True, slots=True)
class Graded:
    """The result for one submission."""

    file: str
    """The zip's or the folder's name."""
    student: str = ""
    """Name by the submission; it is not proved."""
    lab: str = ""
    results: Sequence[Mapping[str, Any]] = ()
    """Per check: name, what, passed (null: not run), why."""
    findings: Sequence[Mapping[str, str]] = ()
    """Findings, as `labs.evidence.finding.Finding`."""
    prints: Mapping[str, str] = field(default_factory=dict)
    """Hash of a recording or of a trial's marks → its place: for finding copies."""
    error: str = ""
    """Why it could not be graded, or not to its end; otherwise empty."""

    @property
    def passed(self) -> int:
        """Number of checks that pass."""
        return sum(result["passed"] is True for result in self.results)


def grade_one(path: Path, lab_name: str, bwrap: str, call_s: float = 20.0) -> Graded:
    """Grades a zip, or a folder that is taken as unpacked.

    Args:
        path: The zip or folder; nothing in it is changed.
        lab_name: The lab; empty: the one that the submission names.
        bwrap: Path of bubblewrap; empty: no code is run.
        call_s: Longest time of one call of its code.
    """
    with Scratch("grade-") as folder:
        root = folder / "submission"
        try:
            if path.is_dir():
                _copy(path, root)
                manifest = None
            else:
                root.mkdir()
                pack.unpack(path, root)
                manifest = pack.read_manifest(root)
            check_sizes(root)
            lab = catalogue.load(lab_name or (manifest.lab if manifest else ""))
        except LabError as error:
            return Graded(path.name, lab=lab_name, error=str(error))
        readable(folder)
        submission = Submission(root, Bubblewrap(bwrap) if bwrap else None, call_s)
        results = examine(lab, submission)
        findings, prints = _evidence(submission)
        if manifest is not None:
            findings += [
                Finding("", "", "changed", text) for text in pack.changed_files(root, manifest)
            ]
        return Graded(
            path.name,
            manifest.student if manifest else path.name,
            lab.name,
            [
                {
                    "name": r.check.name,
                    "what": r.check.what,
                    "passed": r.verdict.passed,
                    "why": r.verdict.why,
                }
                for r in results
            ],
            [asdict(finding) for finding in findings],
            prints,
        )


def _copy(path: Path, root: Path) -> None:
    """A folder as handed in; a link in it is refused, as in a zip."""
    link = next((p for p in path.rglob("*") if p.is_symlink()), None)
    if link is not None:
        raise pack.PackError(f"refused: {link.relative_to(path)} is a link.")
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    if size > pack.LARGEST_MB * 2**20:
        raise pack.PackError(f"refused: more than {pack.LARGEST_MB} MB.")
    shutil.copytree(path, root)


def _evidence(submission: Submission) -> tuple[list[Finding], dict[str, str]]:
    """Contradictions in its runs, and the fingerprints of its trials."""
    found: list[Finding] = []
    prints: dict[str, str] = {}

    def keep(run: str, trial: str, kind: str, digest: str) -> None:
        if digest in prints:
            text = f"its {kind} is also that of {prints[digest]}"
            found.append(Finding(run, trial, "copy", text))
        prints.setdefault(digest, f"{kind} of {run}/{trial}")

    for folder in submission.run_folders():
        name = folder.name
        try:
            run = None
            if _is_run(folder):
                run = submission.run(name)
                found += audit(run, submission.rows(name), store.read_metrics(folder))
                for trial in run.trials:
                    for kind, digest in _prints(run, trial.trial_id):
                        keep(name, trial.trial_id, kind, digest)
            if frames := read_face(folder):
                texts = face_times(frames, run)
                found += [Finding(name, trial, "face", text) for trial, text in texts]
                keep(name, "", "face", print_of(frames))
        except LabError as error:
            found.append(Finding(name, "", "row", f"can't be read: {error}"))
    return found, prints


def _is_run(folder: Path) -> bool:
    """Lab 5c's face is measured without an agent: where nothing but its rows lies, no run is."""
    return not (folder / FACE).is_file() or any(p.name != FACE for p in folder.iterdir())


def _prints(run: store.Run, trial_id: str) -> list[tuple[str, str]]:
    """Fingerprints that two honest trials never share: write times differ by microseconds."""
    trial = run.trial(trial_id)
    found = []
    pcm = run.recording(trial)
    if pcm is not None and pcm[:, AGENT].any():
        found.append(("recording", hashlib.sha256(pcm.tobytes()).hexdigest()))
    marks = run.marks(trial_id)
    if len(marks) > 1:
        times = np.diff(np.array([mark.t_ns for mark in marks], np.int64))
        found.append(("marks", hashlib.sha256(times.tobytes()).hexdigest()))
    return found


def _answer(order: Mapping[str, Any]) -> None:
    """Grades what an order names, into the file that it names."""
    if sys.platform.startswith("linux"):
        most = MEMORY_GB * 2**30
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    path = Path(order["path"])
    try:
        graded = grade_one(path, order["lab"], order["bwrap"], order["call_s"])
    except Exception as error:  # a submission that breaks the grader must be reported, and no more
        graded = Graded(path.name, error=f"it broke its grading: {type(error).__name__}: {error}")
    Path(order["answer"]).write_text(json.dumps(asdict(graded)), encoding="utf-8")


def main() -> None:
    """Orders in, one a line; out of each, the child's process id, and its exit code at its end."""
    orders = os.fdopen(os.dup(0), "rb")
    told = os.fdopen(os.dup(1), "w", encoding="ascii")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    if "warm" in sys.argv[1:]:
        for name in WARM:
            importlib.import_module(name)
        for name in catalogue.present():
            catalogue.load(name)
    for line in orders:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            orders.close()  # a submission that takes its worker over can't speak to the grader
            told.close()
            _answer(json.loads(line))
            os._exit(0)
        print(pid, file=told, flush=True)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # whatever it has started
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=told, flush=True)


if __name__ == "__main__":
    main()
