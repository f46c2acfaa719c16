"""Recorded calls become an ordinary run: turns proposed from the recording, metrics as of any run.

Nobody spoke on a schedule and nothing stamped marks, so only what can be heard is measured. The
given files are read and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.fixtures.fixture import RATE_HZ as LABEL_RATE_HZ
from bench.fixtures.proposed_labels import propose
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.recorded.conversation import UserTurn, turns_of
from bench.recorded.files import Call, CallFiles, Side, read
from bench.store import store
from bench.store.expectation import Expectation
from bench.store.labels import IGNORED, FixtureLabels, TurnLabels
from bench.store.lock import RunLock
from bench.store.records import Trial
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from pipelines.audio.ambience import audible_in
from pipelines.audio.onsets import Span
from pipelines.audio.resample import resample
from pipelines.clock import samples_to_ns
from pipelines.errors import LabError
from pipelines.marks import EventName, Mark, stamp

PRESET = "recorded"
"""Name of the preset of every recorded call, unless another is given."""


def score(
    calls: Sequence[CallFiles],
    run_dir: Path,
    *,
    user: Side,
    preset: str = PRESET,
    tell: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Makes a run of recorded calls.

    Args:
        calls: Where they lie.
        run_dir: Folder of the run; must hold none.
        user: Channel of a stereo file that is the user's.
        preset: Name under which the agent stands in tables.
        tell: Takes the progress.

    Returns:
        A sentence for each call that could not be read or holds no turn; the others are scored.

    Raises:
        LabError: the folder holds a run, or none of the calls could be scored.
    """
    if store.read_info(run_dir):
        raise LabError(f"{run_dir} already holds a run: name another folder with --out.")
    left_out: list[str] = []
    labels: dict[str, dict[str, object]] = {}
    with RunLock(run_dir):
        for i, files in enumerate(calls):
            tell(f"[{i}/{len(calls)}] {files.name}")
            try:
                found = _scored(read(files, user), run_dir, preset)
            except LabError as error:
                left_out.append(str(error))
                continue
            labels[files.name] = found.to_dict()
        if not labels:
            raise LabError(left_out[0] if left_out else "There is no call to score.")
        store.write_info(run_dir, _info(run_dir, preset, labels))
        note_latest(run_dir)
        analyse(run_dir)
    return left_out


def _scored(call: Call, run_dir: Path, preset: str) -> FixtureLabels:
    turns = found_turns(call)
    if not turns:
        raise LabError(
            f"{call.name}: nobody speaks on the user's channel, as far as a detector can tell."
        )
    trial_id = f"{preset}.{call.name}.0"
    path = store.save_recording(run_dir, trial_id, call.stereo, call.rate_hz)
    trial = Trial(
        run_id=run_dir.name,
        trial_id=trial_id,
        preset=preset,
        fixture=call.name,
        repeat=0,
        t0_ns=0,
        rate_hz=call.rate_hz,
        turns=len(turns),
        recording=path,
        kind="recorded",
        audio_s=len(call.stereo) / call.rate_hz,
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    store.write_trial(run_dir, trial, marks_of(turns, call.rate_hz))
    return labels_of_call(call, turns)


def found_turns(call: Call) -> list[UserTurn]:
    """The user's turns, as well as a program can tell."""
    signal = resample(np.ascontiguousarray(call.stereo[:, 0]), call.rate_hz, LABEL_RATE_HZ)
    speech = propose(signal.astype(np.float64) / 32_768)

    def at(sample: int) -> int:
        return sample * call.rate_hz // LABEL_RATE_HZ

    user = [Span(at(s.audible_start), at(s.audible_end)) for s in speech]
    agent, _ = audible_in(call.stereo[:, 1], call.rate_hz)
    return turns_of(user, agent, call.rate_hz)


def marks_of(turns: Sequence[UserTurn], rate_hz: int) -> list[Mark]:
    """The user's marks, as the caller would have stamped them."""
    marks = []
    for number, turn in enumerate(turns):
        events: tuple[tuple[EventName, int], ...] = (
            ("turn_start", turn.on),
            ("speech_on", turn.on),
            ("speech_off", turn.off),
            ("turn_end", turn.off),
        )
        for event, sample in events:
            t_ns = samples_to_ns(sample, rate_hz)
            marks.append(stamp("user", event, t_ns=t_ns, turn=number, value=float(sample)))
    return marks


def labels_of_call(call: Call, turns: Sequence[UserTurn]) -> FixtureLabels:
    """The labels of a call, proposed."""
    made = tuple(
        TurnLabels(
            text="",
            u_on=0,
            u_off=turn.off - turn.on,
            samples=turn.off - turn.on,
            rate_hz=call.rate_hz,
            expect=Expectation(respond=turn.event not in IGNORED),
            pauses=tuple(Span(p.start - turn.on, p.end - turn.on) for p in turn.pauses),
            event=turn.event,
        )
        for turn in turns
    )
    return FixtureLabels(call.name, made, proposed=True)


def _info(run_dir: Path, preset: str, labels: dict[str, dict[str, object]]) -> dict[str, object]:
    return {
        "run_id": run_dir.name,
        "schema_version": SCHEMA_VERSION,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "presets": {preset: {"title": "Recorded calls", "architecture": "recorded"}},
        "fixtures": labels,
        "recorded": True,
    }
