"""Does a run agree with itself? Marks, recording, figures and the fixture's audio, held together.

Each test looks for one way of changing a run after it was measured. What is found is named, trial
by trial; judging it is a person's work. A run that was invented as a whole, with marks, audio and
figures that fit, can't be told from a measured one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench import machine, store
from bench.fixtures import RATE_HZ, Fixture, FixtureError, fixtures_root, load, read_pcm
from bench.lateness import with_lateness
from bench.mark_order import check_order
from bench.recording import AGENT, USER, Stereo
from bench.records import MetricRow, Trial
from bench.run import labels_of
from pipelines.audio.onsets import audible_spans
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS, NS_PER_S, ns_to_samples
from pipelines.errors import LabError
from pipelines.marks import Mark

SAME_VALUE = 1e-6
"""Relative difference within which two figures are the same."""
USER_ERROR = 0.02
"""RMS of (recorded user − fixture) per RMS of the fixture; honest runs stay below 0.001."""
LABEL_MS = 0.2
"""Rounding of labels to the microphone's rate."""
EDGE_SAMPLES = 2
"""Rounding of times to samples at a chunk's ends."""
ONSET_MS = 1.0
"""Between the onset that the marks say and the one in the recording."""
VOICE_HZ = {"espeak": 22_050}
"""The synthesiser's engine → its own rate."""
CLOCK_S = 2.0
"""How far a trial's two clocks may stray from those of its run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not agree."""

    run: str
    """The run's folder."""
    trial: str
    """The trial; empty: the whole run."""
    kind: str
    """Key of `KINDS`."""
    text: str
    """What disagrees with what, with both values."""


KINDS: Mapping[str, str] = {
    "figure": "a stored figure is not what marks and recording give",
    "row": "a trial's row does not agree with its marks or recording",
    "fixture": "the run's labels are not those of the fixture that it names",
    "user": "the user's channel is not the fixture's audio at the stamped time",
    "agent": "the agent's channel does not agree with the marks of the ear",
    "order": "an effect lies before its cause",
    "clock": "a trial's clocks are not those of the rest of its run",
    "copy": "the same recording or marks stand in another place",
    "changed": "a file is not as it was packed",
}
"""Kind of finding → what it means."""


def audit(run: store.Run, rows: Sequence[MetricRow], stored: Sequence[MetricRow]) -> list[Finding]:
    """All that does not agree within one run.

    Args:
        run: The run.
        rows: Its metrics, computed again from marks and recordings.
        stored: The metrics that stand in its ``metrics.parquet``.
    """
    name = run.path.name
    found = [Finding(name, *f) for f in _figures(rows, stored)]
    if found and (why := _other_version(run)):
        found.append(Finding(name, "", "figure", why))
    found += [Finding(name, *f) for f in _clocks(run)]
    for trial in run.trials:
        evidence = _Evidence(run, trial, run.marks(trial.trial_id), run.recording(trial))
        for kind, test in _TESTS:
            found += [Finding(name, trial.trial_id, kind, text) for text in test(evidence)]
    return found


@dataclass(frozen=True, slots=True)
class _Evidence:
    """One trial with all that speaks of it."""

    run: store.Run
    trial: Trial
    marks: Sequence[Mark]
    recording: Stereo | None

    def all(self, stage: str, event: str) -> list[Mark]:
        return [m for m in self.marks if (m.stage, m.event) == (stage, event)]

    def sample(self, t_ns: int) -> int:
        return ns_to_samples(t_ns - self.trial.t0_ns, self.trial.rate_hz)


def _figures(
    rows: Sequence[MetricRow], stored: Sequence[MetricRow]
) -> Iterator[tuple[str, str, str]]:
    """Stored figures against those that are computed again; what one side lacks is left."""

    def key(row: MetricRow) -> tuple[str, int, str, str]:
        return (row.trial_id, row.turn, row.metric, row.subject or "")

    again = {key(row): row for row in rows}
    for row in stored:
        found = again.get(key(row))
        if found is None:
            known = {row.metric for row in rows}
            if row.metric in known:
                what = f"{row.metric} of turn {row.turn} is of no trial that is there"
                yield row.trial_id, "figure", what
        elif not _same(row.value, found.value) or row.valid != found.valid:
            yield (
                row.trial_id,
                "figure",
                f"{row.metric} of turn {row.turn}: metrics.parquet says {_told(row)}, "
                f"marks and recording give {_told(found)}",
            )


def _other_version(run: store.Run) -> str | None:
    """A definition may have changed between the version that measured and this one."""
    measured = run.info.get("machine", {}).get("commit") or {}
    here = machine.describe().get("commit") or {}
    if measured.get("sha") == here.get("sha"):
        return None
    theirs, ours = (str(of.get("sha"))[:10] for of in (measured, here))
    return (
        f"measured by commit {theirs}, graded by {ours}: "
        "where a metric's definition changed between them, its figures differ for that reason"
    )


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=SAME_VALUE, abs_tol=1e-6) or (a != a and b != b)


def _told(row: MetricRow) -> str:
    value = "none" if row.value is None else f"{row.value:g} {row.unit}"
    return value if row.valid else f"{value} (not valid)"


def _clocks(run: store.Run) -> Iterator[tuple[str, str, str]]:
    """Two trials at one time, or a trial whose two clocks are another machine's."""
    if len(run.info.get("sessions", [])) > 1:
        return  # it was gone on with, perhaps after a restart: its clocks may begin anew
    end_ns, last = 0, ""
    for trial in sorted((t for t in run.trials if t.t0_ns), key=lambda t: t.t0_ns):
        if trial.t0_ns < end_ns:
            yield trial.trial_id, "clock", f"it began before {last} had ended"
        end_ns, last = trial.t0_ns + round(trial.audio_s * NS_PER_S), trial.trial_id
    offsets: dict[str, float] = {}
    for trial in run.trials:
        try:
            began_s = datetime.fromisoformat(trial.started_utc).timestamp()
        except ValueError:
            continue
        if trial.t0_ns:
            offsets[trial.trial_id] = began_s - trial.t0_ns / NS_PER_S
    if len(offsets) < 3:
        return
    middle = median(offsets.values())
    for trial_id, offset in offsets.items():
        if abs(offset - middle) > CLOCK_S:
            yield (
                trial_id,
                "clock",
                f"its wall clock and its monotonic clock lie {offset - middle:+.1f} s from where "
                "those of the run's other trials lie",
            )


def _row(e: _Evidence) -> Iterator[str]:
    """The trial's row against its marks and its recording."""
    sent = len(e.all("user", "chunk_sent"))
    if sent != e.trial.chunks_sent:
        yield f"chunks_sent says {e.trial.chunks_sent}, but {sent} are marked"
    if e.recording is None:
        return
    heard_s = len(e.recording) / e.trial.rate_hz
    if abs(heard_s - e.trial.audio_s) > 0.002:
        yield f"audio_s says {e.trial.audio_s:.3f} s, but the recording has {heard_s:.3f} s"
    again = with_lateness(e.trial, e.marks, e.recording)
    for name in ("mouth_late_ms_p99", "mouth_late_ms_max", "ear_late_ms_p99", "ear_late_ms_max"):
        said, found = getattr(e.trial, name), getattr(again, name)
        if not _same(said, found):
            yield f"{name} says {said}, but the marks give {found}"


def _order(e: _Evidence) -> Iterator[str]:
    try:
        check_order(e.trial.trial_id, e.marks)
    except LabError as error:
        yield str(error)


def _fixture(e: _Evidence) -> Iterator[str]:
    """The labels that the run holds against the fixture's own."""
    fixture = own_fixture(e.trial.fixture)
    if fixture is None:
        yield f"there is no fixture {e.trial.fixture!r} here to hold it against"
        return
    if e.trial.fixture_sha256 != fixture.sha256:
        yield f"the row's fixture_sha256 is not that of {fixture.name}"
    said = e.run.info.get("fixtures", {}).get(fixture.name)
    if said is not None and e.run.labels(fixture.name) != labels_of(fixture):
        yield f"run.json's labels of {fixture.name} are not the fixture's own"


def own_fixture(name: str) -> Fixture | None:
    """A fixture of this installation; None where it has none of that name, or a damaged one."""
    try:
        path = fixtures_root() / f"{name}.toml"
        return load(path) if path.parent == fixtures_root() and path.is_file() else None
    except FixtureError:
        return None


def _user(e: _Evidence) -> Iterator[str]:
    """The user's channel against the fixture's audio, where the marks say that it was spoken."""
    fixture = own_fixture(e.trial.fixture)
    if fixture is None or e.recording is None:
        return
    starts = {m.turn: m.t_ns for m in e.all("user", "turn_start")}
    limits = {
        event: {m.turn: m.t_ns for m in e.all("user", event)}
        for event in ("speech_on", "speech_off")
    }
    in_rate_hz = _in_rate(e.run, e.trial.preset)
    length = round(len(e.recording) * in_rate_hz / e.trial.rate_hz)
    spoken = np.zeros(length + in_rate_hz, np.int16)
    for number, start_ns in starts.items():
        if not 0 <= number < len(fixture.turns):
            yield f"turn {number} is marked, but {fixture.name} has {len(fixture.turns)}"
            continue
        turn = fixture.turns[number]
        for event, at_s in (
            ("speech_on", turn.u_on_sample / turn.rate_hz),
            ("speech_off", (turn.u_off_sample + 1) / turn.rate_hz),
        ):
            marked = limits[event].get(number)
            off_ms = 0.0 if marked is None else (marked - start_ns) / NS_PER_MS - at_s * 1000
            if abs(off_ms) > LABEL_MS:
                yield (
                    f"user.{event} of turn {number} is marked {off_ms:+.1f} ms from where the "
                    "fixture's label puts it"
                )
        pcm = resample(read_pcm(turn), turn.rate_hz, in_rate_hz)
        first = ns_to_samples(start_ns - e.trial.t0_ns, in_rate_hz)
        a, b = max(0, first), min(len(spoken), first + len(pcm))
        if a < b:
            spoken[a:b] = pcm[a - first : b - first]
    # As the recording was made: placed at the microphone's rate, then brought to the agent's.
    wanted = resample(spoken, in_rate_hz, e.trial.rate_hz)[: len(e.recording)].astype(np.float64)
    error = _rms(e.recording[: len(wanted), USER] - wanted) / max(_rms(wanted), 1.0)
    if error > USER_ERROR:
        yield (
            f"the user's channel is not {fixture.name} at the stamped time: it differs by "
            f"{100 * error:.0f} % of the fixture's own level"
        )


def _in_rate(run: store.Run, preset: str) -> int:
    """At which rate the user spoke, as run.json says."""
    audio = run.info.get("presets", {}).get(preset, {}).get("audio", {})
    rate_hz = audio.get("in_rate_hz", RATE_HZ)
    return rate_hz if isinstance(rate_hz, int) and 8000 <= rate_hz <= 48_000 else RATE_HZ


def _rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0


def _agent(e: _Evidence) -> Iterator[str]:
    """The agent's channel against what the ear marked: sound only where a chunk was heard."""
    if e.recording is None:
        return
    agent = e.recording[:, AGENT]
    covered = np.zeros(len(agent) + 1, np.int32)
    heard = sorted(e.all("ear", "heard"), key=lambda m: m.t_ns)
    for mark in heard:
        first = e.sample(mark.t_ns) - EDGE_SAMPLES
        stop = first + int(mark.value or 0) + 2 * EDGE_SAMPLES
        covered[min(max(0, first), len(agent))] += 1
        covered[min(max(0, stop), len(agent))] -= 1
    outside = np.flatnonzero((np.cumsum(covered)[:-1] <= 0) & (agent != 0))
    if outside.size:
        at_ms, long_ms = (1000 * int(n) / e.trial.rate_hz for n in (outside[0], outside.size))
        yield (
            f"the agent sounds at {at_ms:.1f} ms of the recording, where no chunk is marked as "
            f"heard ({long_ms:.0f} ms in all)"
        )
    yield from _onsets(e, agent, heard)


def _onsets(e: _Evidence, agent: NDArray[np.int16], heard: Sequence[Mark]) -> Iterator[str]:
    """The first onset of each reply: where the synthesiser's and the ear's marks put it.

    Only where no resampler stands between: it would hold audio back.
    """
    preset = e.run.info.get("presets", {}).get(e.trial.preset, {})
    engine = preset.get("stages", {}).get("tts", {}).get("engine")
    if VOICE_HZ.get(engine) != e.trial.rate_hz:
        return
    spans = audible_spans(agent, e.trial.rate_hz)
    writes = sorted(e.all("link", "write"), key=lambda m: m.t_ns)
    heard_ns = {m.request_id: m.t_ns for m in heard if m.value}
    bytes_ns = {m.request_id: m.t_ns for m in e.all("tts", "first_byte")}
    previous_end = -(10**18)
    for mark in sorted(e.all("tts", "first_audible"), key=lambda m: m.t_ns):
        first_ns = bytes_ns.get(mark.request_id)
        chunk = next((w for w in writes if first_ns is not None and w.t_ns >= first_ns), None)
        if chunk is None or chunk.request_id not in heard_ns:
            continue
        at_ns = heard_ns[chunk.request_id]
        if at_ns - previous_end < 300 * NS_PER_MS:
            continue  # it follows an earlier clause: which of the samples is its own can't be seen
        expected = e.sample(at_ns) + int(mark.value or 0)
        nearest = min((s.start for s in spans), key=lambda s: abs(s - expected), default=None)
        previous_end = at_ns
        if nearest is None or abs(nearest - expected) > ONSET_MS * e.trial.rate_hz / 1000:
            off = "nothing" if nearest is None else f"{1000 * nearest / e.trial.rate_hz:.1f} ms"
            yield (
                f"by the marks the agent is heard from {1000 * expected / e.trial.rate_hz:.1f} ms "
                f"on, in the recording from {off} on"
            )
            return


_TESTS: tuple[tuple[str, Callable[[_Evidence], Iterator[str]]], ...] = (
    ("row", _row),
    ("order", _order),
    ("fixture", _fixture),
    ("user", _user),
    ("agent", _agent),
)
