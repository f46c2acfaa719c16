"""Cuts a small run out of a real one: results/sample, for notebooks and tests.

python scripts/make_sample.py results/<run>              into results/sample
python scripts/make_sample.py results/<run> --out DIR --fixtures cmd_dance,q_name

``results/<run>/floor.json`` (of `duplex-lab algorithmic-latency PRESET --json`) comes along if it
is there.
The chosen trials are whole: rows, marks, metrics and recordings. Of the long sessions the recording
is left out, which would be larger than all the rest; their frames are in the marks. The metrics are
computed again from what was kept. Nothing in it may tell of a person's machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.metrics.recompute import analyse  # noqa: E402  (found by the path above)
from bench.store.atomic import StoreError, atomic_write  # noqa: E402
from bench.store.records import Trial  # noqa: E402
from bench.store.store import (  # noqa: E402
    Run,
    read_json,
    read_metrics,
    read_run,
    write_info,
    write_trial,
)
from pipelines.errors import LabError  # noqa: E402

FIXTURES = ("cmd_stop", "q_name", "greet_thanks", "cmd_dance", "cmd_close_door", "cmd_lamp_off")
"""Short fixtures, kept with their recordings; of duplex presets only the first `DUPLEX_SHORT`."""
DUPLEX_SHORT = 2
WITHOUT_AUDIO = ("session_150s",)
"""Long fixtures, kept without recordings."""
LIMIT_BYTES = 2_000_000
KEPT_INFO = ("calibration", "created_utc", "machine", "run_id", "schema_version", "sessions")
"""Keys of run.json that are kept as they are; presets and fixtures as far as they are used."""
PRIVATE = re.compile(r"(/home/|/root/|/Users/|/tmp/|\\Users\\)[^\s\"']*")


def cut(run: Run, out: Path, fixtures: Iterable[str] = FIXTURES) -> list[Trial]:
    """Writes a sample of a run; an existing folder is replaced when all went well.

    Raises:
        LabError: nothing is left of it, it is too large, or it would reveal a person's machine.
    """
    chosen = list(_chosen(run, list(fixtures)))
    if not any(not trial.warmup for trial in chosen):
        raise LabError(f"{run.path}: it has no trial of {', '.join(fixtures)}; name others.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        new = Path(folder) / out.name
        for trial in chosen:
            if trial.recording is not None:
                (new / "audio").mkdir(parents=True, exist_ok=True)
                shutil.copy(run.path / trial.recording, new / trial.recording)
            write_trial(new, trial, run.marks(trial.trial_id))
        write_info(new, adapted(run.info, chosen, run.run_id))
        floor = read_json(run.path / "floor.json")
        if floor is not None:
            _shorten(floor)
            atomic_write(new / "floor.json", (json.dumps(floor, indent=1) + "\n").encode())
        analyse(new)
        _check(new)
        if out.exists():
            shutil.rmtree(out)
        new.rename(out)
    return chosen


def _chosen(run: Run, fixtures: list[str]) -> Iterable[Trial]:
    # Of a fixture's repeats the first with a ruler in time; the first where none was.
    ordered = sorted(run.trials, key=lambda t: (t.status == "ruler_late", t.repeat))
    firsts = {(t.preset, t.fixture): t.trial_id for t in reversed(ordered) if not t.warmup}
    for trial in run.trials:
        short = fixtures[:DUPLEX_SHORT] if trial.kind == "duplex" else fixtures
        first = firsts.get((trial.preset, trial.fixture)) == trial.trial_id
        if trial.warmup and trial.repeat == 0:
            yield trial
        elif first and trial.fixture in WITHOUT_AUDIO:
            yield replace(trial, recording=None)
        elif first and trial.fixture in short:
            yield trial


def adapted(info: Mapping[str, Any], trials: Iterable[Trial], run_id: str) -> dict[str, Any]:
    """``run.json`` of a sample: of its contents, with a note that it is a sample."""
    trials = list(trials)
    presets = {trial.preset for trial in trials}
    fixtures = {trial.fixture for trial in trials}
    kept = {key: info[key] for key in KEPT_INFO if key in info}
    found: dict[str, Any] = json.loads(json.dumps(kept))
    for part in (found, *found.get("sessions", [])):
        _shorten(part)
    for key, names in (("presets", presets), ("fixtures", fixtures)):
        found[key] = {n: of for n, of in (info.get(key) or {}).items() if n in names}
    found["sample"] = {
        "of": run_id,
        "note": "Some trials of a real run, chosen to be small: for notebooks and tests, not to "
        "compare pipelines by. Made by scripts/make_sample.py.",
        "without_recording": sorted(t.trial_id for t in trials if t.recording is None),
    }
    return found


def _shorten(info: dict[str, Any]) -> None:
    """A kernel's own name can reveal whose machine it is."""
    machine = info.get("machine", {})
    if "system" in machine:
        machine["system"] = "-".join(machine["system"].split("-")[:2])


def _check(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LIMIT_BYTES:
        raise LabError(f"the sample has {size / 1e6:.2f} MB, more than {LIMIT_BYTES / 1e6:g}.")
    run = read_run(folder)
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("*.json")]
    texts += [trial.error or "" for trial in run.trials]
    texts += [mark.text or "" for trial in run.trials for mark in run.marks(trial.trial_id)]
    for text in texts:
        private = PRIVATE.search(text)
        if private is not None:
            raise LabError(f"the sample would tell of this machine's folders: {private.group()!r}.")
        if str(ROOT) in text:
            raise LabError(f"the sample would tell of this machine's folders: '{ROOT}'.")
        if re.search(rf"\b{re.escape(platform.node() or 'nowhere')}\b", text):
            raise LabError("the sample would tell this machine's name.")


def _told(run: Run, out: Path, chosen: list[Trial]) -> Iterable[str]:
    """The sample's size, its invalidated rows, and whether its metrics are the run's."""
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    yield f"{out}: {len(chosen)} trials of {run.run_id}, {size / 1e6:.2f} MB"
    rows = read_metrics(out)
    spoilt = {row.trial_id: row.reason for row in rows if not row.valid and row.value is not None}
    yield from (f"  not valid: {trial_id}: {reason}" for trial_id, reason in spoilt.items())
    whole = {trial.trial_id for trial in chosen if trial.recording is not None}
    try:
        before = [row for row in read_metrics(run.path) if row.trial_id in whole]
    except StoreError as error:
        yield f"  its metrics can't be compared with the run's: {error}"
        return
    same = before == [row for row in rows if row.trial_id in whole]
    yield "  metrics of its whole trials: " + (
        "the same as the run's" if same else "NOT as stored with the run (another version?)"
    )


def main() -> None:
    """Cuts the sample and prints its contents."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "sample")
    parser.add_argument("--fixtures", default=",".join(FIXTURES), help="comma-separated")
    options = parser.parse_args()
    try:
        run = read_run(options.run)
        chosen = cut(run, options.out, options.fixtures.split(","))
    except LabError as error:
        sys.exit(f"make_sample: {error}")
    print("\n".join(_told(run, options.out, chosen)))


if __name__ == "__main__":
    main()
