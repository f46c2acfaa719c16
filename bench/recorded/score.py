"""Recorded calls become an ordinary run: turns found in the recording, metrics as of any run.

Who speaks when is taken from the words that came with a call, else proposed by a detector, and the
labels say which. Nobody spoke on a schedule and nothing stamped marks, so only what can be heard is
measured. The given files are read and never written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.fixtures.fixture import RATE_HZ as LABEL_RATE_HZ
from bench.fixtures.proposed_labels import propose
from bench.fixtures.speech_segments import MIN_SILENCE, WINDOW
from bench.machine import description as machine
from bench.metrics.recompute import analyse
from bench.recorded.conversation import Label, UserTurn, covered, turns_of
from bench.recorded.files import Call, CallFiles, Side, read
from bench.recorded.given_marks import sample_marks, word_marks
from bench.recorded.words import GivenWord
from bench.store import store
from bench.store.expectation import Expectation
from bench.store.labels import IGNORED, FixtureLabels, TurnLabels
from bench.store.lock import RunLock
from bench.store.records import Trial
from bench.store.results import note_latest
from bench.store.schema import SCHEMA_VERSION
from bench.summary.full_duplex_bench import KEY
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
    samples: dict[str, dict[str, object]] = {}
    presets: list[str] = []
    with RunLock(run_dir):
        for i, files in enumerate(calls):
            tell(f"[{i}/{len(calls)}] {files.name}")
            try:
                found = _scored(files, read(files, user), run_dir, preset)
            except LabError as error:
                left_out.append(str(error))
                continue
            labels[found.trial.fixture] = found.labels.to_dict()
            presets.append(found.trial.preset)
            if found.sample:
                samples[found.trial.trial_id] = found.sample
        if not labels:
            raise LabError(left_out[0] if left_out else "There is no call to score.")
        info = _info(run_dir, presets, labels)
        store.write_info(run_dir, info | ({KEY: samples} if samples else {}))
        note_latest(run_dir)
        analyse(run_dir)
    return left_out


@dataclass(frozen=True, slots=True)
class _Scored:
    """One call that was scored."""

    trial: Trial
    labels: FixtureLabels
    sample: dict[str, object]
    """Its task and the turn that the label is on, of a benchmark's sample; else empty."""


def _scored(files: CallFiles, call: Call, run_dir: Path, preset: str) -> _Scored:
    turns = found_turns(call)
    if not turns:
        raise LabError(
            f"{call.name}: nobody speaks on the user's channel, as far as a detector can tell."
        )
    preset = "-".join(filter(None, (preset, files.preset_ending)))
    trial_id = f"{preset}.{call.name}.0"
    path = store.save_recording(run_dir, trial_id, call.stereo, call.rate_hz)
    trial = Trial(
        run_id=run_dir.name,
        trial_id=trial_id,
        preset=preset,
        fixture=files.name if not files.preset_ending else f"{files.name}.{files.preset_ending}",
        repeat=0,
        t0_ns=0,
        rate_hz=call.rate_hz,
        turns=len(turns),
        recording=path,
        kind="recorded",
        audio_s=len(call.stereo) / call.rate_hz,
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    marks = marks_of(turns, call.rate_hz)
    marks += word_marks(call.user_words or (), "user")
    marks += word_marks(call.agent_words or (), "agent")
    sample: dict[str, object] = {}
    if call.labelled is not None:
        marks += sample_marks(files, call.labelled, call.agent_words)
        sample = {"task": call.labelled.task, "turn": _labelled_turn(call, turns)}
    store.write_trial(run_dir, trial, marks)
    return _Scored(trial, _labels(trial.fixture, call, turns), sample)


def _labelled_turn(call: Call, turns: Sequence[UserTurn]) -> int | None:
    """The turn that a sample's label is on; None where it has no label, or no turn is near it."""
    label = next(iter(_call_labels(call)), None)
    if label is None:
        return None
    if label.kind == "turn":  # the benchmark takes its start for the user's end
        ends = [abs(turn.off - label.span.start) for turn in turns]
        return ends.index(min(ends))
    if label.kind == "pause":
        return next((i for i, turn in enumerate(turns) if turn.on <= label.span.start), None)
    return covered(turns, label.span)


def _call_labels(call: Call) -> list[Label]:
    """The labels that came with a call, in samples of its recording."""
    if call.labelled is None:
        return []

    def at(seconds: float) -> int:
        return round(seconds * call.rate_hz)

    return [
        Label(kind, Span(at(start_s), at(end_s)), event)
        for kind, start_s, end_s, event in call.labelled.labels
    ]


def found_turns(call: Call) -> list[UserTurn]:
    """The user's turns, from the words that came with the call, else as a detector can tell."""
    signal = resample(np.ascontiguousarray(call.stereo[:, 0]), call.rate_hz, LABEL_RATE_HZ)
    segments = None
    if call.user_words is not None:
        segments = _segments(call.user_words, len(signal))
    speech = propose(signal.astype(np.float64) / 32_768, segments)

    def at(sample: int) -> int:
        return sample * call.rate_hz // LABEL_RATE_HZ

    user = [Span(at(s.audible_start), at(s.audible_end)) for s in speech]
    agent, _ = audible_in(call.stereo[:, 1], call.rate_hz)
    return turns_of(user, agent, call.rate_hz, _call_labels(call))


def _segments(words: Sequence[GivenWord], samples: int) -> list[Span]:
    """Where the words lie, in samples at 16 kHz; those closer than a detector would part joined."""
    spans: list[Span] = []
    for word in words:
        end_s = word.start_s if word.end_s is None else max(word.start_s, word.end_s)
        start = min(samples, round(word.start_s * LABEL_RATE_HZ))
        end = min(samples, max(start + WINDOW, round(end_s * LABEL_RATE_HZ)))
        if spans and start - spans[-1].end < MIN_SILENCE * WINDOW:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, end))
        elif end > start:
            spans.append(Span(start, end))
    return spans


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


def _labels(name: str, call: Call, turns: Sequence[UserTurn]) -> FixtureLabels:
    texts = _texts(call, turns)
    made = tuple(
        TurnLabels(
            text=text,
            u_on=0,
            u_off=turn.off - turn.on,
            samples=turn.off - turn.on,
            rate_hz=call.rate_hz,
            expect=Expectation(respond=turn.event not in IGNORED),
            pauses=tuple(Span(p.start - turn.on, p.end - turn.on) for p in turn.pauses),
            event=turn.event,
        )
        for turn, text in zip(turns, texts, strict=True)
    )
    given = call.user_words is not None
    return FixtureLabels(name, made, proposed=not given, given=given)


def _texts(call: Call, turns: Sequence[UserTurn]) -> list[str]:
    """The words of each turn: each word belongs to the last turn that had begun at its middle."""
    said: list[list[str]] = [[] for _ in turns]
    for word in call.user_words or ():
        end_s = word.start_s if word.end_s is None else word.end_s
        middle = (word.start_s + end_s) / 2 * call.rate_hz
        begun = sum(turn.on <= middle for turn in turns)
        said[max(0, begun - 1)].append(word.text)
    return [" ".join(words) for words in said]


def _info(
    run_dir: Path, presets: Sequence[str], labels: dict[str, dict[str, object]]
) -> dict[str, object]:
    described = {"title": "Recorded calls", "architecture": "recorded"}
    return {
        "run_id": run_dir.name,
        "schema_version": SCHEMA_VERSION,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "presets": dict.fromkeys(presets, described),
        "fixtures": labels,
        "recorded": True,
    }
