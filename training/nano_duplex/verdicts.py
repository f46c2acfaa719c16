"""From a finished run to the verdicts on its gates: what is judged, and how it is told.

Reading changes nothing on disk. A double (weights ``scripted``) is judged as if its weights were
trained: the tables refuse figures of what it says, and the evaluator is here to be tried on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from statistics import median
from typing import Any

from bench.metrics.compute import compute_trial
from bench.metrics.content import transcript
from bench.metrics.reading import TurnReading
from bench.stats.quantiles import Estimate, Key
from bench.store.labels import TurnLabels
from bench.store.recording import AGENT
from bench.store.records import MetricRow, Trial
from bench.store.store import Run
from bench.timeline.audible_faults import Faults, faults_of
from bench.timeline.critical_path import critical_path
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.errors import LabError
from training.nano_duplex.gates import (
    CodecFigures,
    Evidence,
    Judged,
    WordCount,
    heard_wer,
    judge_gates,
    shown,
)
from training.nano_duplex.monologue import replies_in_text, text_of, text_rows

FAULT_UNITS = {
    "periodicity": "of 1",
    "flux_ratio": "times",
    "floor_dbfs": "dBFS",
    "wordless_ms": "ms",
}
"""Field of `Faults` → its unit."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A turn of which the words were wrong."""

    fixture: str
    turn: int
    user: str
    text: str
    """What the agent meant to say."""
    heard: str
    """What the recogniser made of it."""
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One preset."""

    preset: str
    weights: str
    double: bool
    """Judged as trained though it is a script."""
    run_id: str
    gates: list[Judged]
    wer: Estimate
    """Of the recogniser on the answers, against the agent's own text, %."""
    faults: Faults
    """Medians over the trials in which the agent spoke."""
    voices: int
    """How many trials these are."""
    reference: Faults | None
    """The same of the voice that the model learnt from."""
    failures: list[Failure]
    left_out: int
    """Turns that are not valid."""


def evaluate(
    runs: Sequence[Run],
    preset: str,
    *,
    forced: Sequence[WordCount] | None = None,
    codec: CodecFigures | None = None,
    reference: Faults | None = None,
) -> Evaluation:
    """Judges a preset by one run or several, which hold different fixtures.

    Raises:
        LabError: they hold no trial of the preset, or its weights are synthetic.
    """
    where = ", ".join(str(run.path) for run in runs)
    played = [(run, trial) for run in runs for trial in run.trials if trial.preset == preset]
    trials = [trial for _, trial in played]
    if all(trial.warmup for trial in trials):
        raise LabError(f"{where}: there is no trial of {preset!r} that counts; name another.")
    weights = trials[0].weights
    if weights == "synthetic":
        raise LabError(
            f"{where}: the weights of {preset!r} are synthetic, so that nothing it says means "
            "anything; evaluate a trained model, or a double."
        )
    rows: list[MetricRow] = []
    heard: list[Faults] = []
    failures: list[Failure] = []
    labels: dict[Key, TurnLabels] = {}
    for run, trial in played:
        marks, recording = run.marks(trial.trial_id), run.recording(trial)
        of_fixture = run.labels(trial.fixture)
        judged = replace(trial, weights="trained")
        timeline = reconstruct(judged, marks, recording)
        own = compute_trial(judged, marks, recording, of_fixture)
        own += text_rows(judged, timeline, of_fixture)
        rows += own
        if of_fixture is not None:
            labels |= {(trial.fixture, i): turn for i, turn in enumerate(of_fixture.turns)}
        if recording is not None and not trial.warmup and timeline.sounds:
            heard.append(faults_of(timeline, recording[:, AGENT]))
        if not trial.warmup:
            failures += _failures(run, trial, own, timeline)
    evidence = Evidence(rows, trials, labels, forced, codec or CodecFigures())
    spoilt = {
        (row.trial_id, row.turn)
        for row in rows
        if row.metric == "takeover_strict" and not row.valid and not row.warmup
    }
    return Evaluation(
        preset=preset,
        weights=weights,
        double=weights == "scripted",
        run_id=", ".join(run.run_id for run in runs),
        gates=judge_gates(evidence),
        wer=heard_wer(evidence),
        faults=_typical(heard),
        voices=len(heard),
        reference=reference,
        failures=failures,
        left_out=len(spoilt),
    )


def _failures(
    run: Run, trial: Trial, rows: Sequence[MetricRow], timeline: Timeline
) -> Iterator[Failure]:
    """The turns of a trial whose words were wrong, in the text or as heard."""
    wrong = {
        row.turn: row.reason or ""
        for row in rows
        if row.metric in ("heard_success", "text_success") and row.value == 0.0 and row.valid
    }
    labels = run.labels(trial.fixture)
    if not wrong or labels is None:
        return
    said = tuple(replies_in_text(timeline, labels))
    for number, reason in sorted(wrong.items()):
        turn, wanted = timeline.turn(number), labels.of(number)
        if wanted is None or not wanted.expect.respond:
            continue
        text = heard = ""
        if turn is not None:
            path = critical_path(turn, timeline.chunks, trial.rate_hz)
            text = text_of(turn, said)
            heard = transcript(TurnReading(timeline, turn, path, wanted)) or ""
        yield Failure(trial.fixture, number, wanted.text, text, heard, reason)


def _typical(heard: Sequence[Faults]) -> Faults:
    """The median of each fault over several recordings."""

    def middle(name: str) -> float | None:
        known = [value for one in heard if (value := getattr(one, name)) is not None]
        return float(median(known)) if known else None

    return Faults(**{f.name: middle(f.name) for f in fields(Faults)})


def typical(heard: Sequence[Faults]) -> Faults | None:
    """The same; None of no recordings."""
    return _typical(heard) if heard else None


# Telling it


def markdown(found: Evaluation, failures: int = 20) -> str:
    """The verdicts as a table, with what must be said beside them."""
    lines = [
        f"### {found.preset} ({_kind(found)}), run {found.run_id}",
        "",
        "| gate | figure | value | 95 % | n | target | |",
        "|---|---|---|---|---|---|---|",
        *(_gate_row(judged) for judged in found.gates),
        "",
        f"- WER of the recogniser on its answers, against its own text: {_with_unit(found.wer)}.",
        "- Interval: none under n = 20. open: there is nothing to judge it by.",
    ]
    if found.left_out:
        lines.append(f"- {found.left_out} turns are not valid (a late ruler) and left out.")
    if found.double:
        lines.append("- A double: a script, judged here as if its weights were trained.")
    lines += ["", *_fault_table(found), ""]
    if found.failures:
        lines += [f"{len(found.failures)} turns had wrong words:", ""]
        lines += [_failure_row(failure) for failure in found.failures[:failures]]
        lines.append("")
    return "\n".join(lines)


def _kind(found: Evaluation) -> str:
    return "a double" if found.double else f"weights {found.weights}"


def _gate_row(judged: Judged) -> str:
    gate, figure = judged.gate, judged.figure
    unit = f" {gate.unit}"
    target = f"{'≥' if gate.at_least else '≤'} {gate.target:g}{unit}"
    verdict = judged.verdict
    if judged.missed_by is not None:
        verdict += f" by {shown(judged.missed_by, gate.unit)}"
    value = shown(figure.value, gate.unit) if judged.why is None else f"– ({judged.why})"
    interval = _interval(figure, gate.unit)
    cells = (gate.number, gate.name, value, interval, figure.n, target, verdict)
    return f"| {' | '.join(map(str, cells))} |"


def _interval(figure: Estimate, unit: str) -> str:
    if figure.low is None and figure.high is None:
        return "–"
    high = "∞" if figure.high is None else shown(figure.high, unit)
    return f"{shown(figure.low, unit)} – {high}"


def _with_unit(figure: Estimate) -> str:
    if figure.value is None:
        return "– (no answer was heard and told)"
    return f"{figure.value:.1f} % [{_interval(figure, '%')}], n = {figure.n}"


def _fault_table(found: Evaluation) -> Iterator[str]:
    yield "| audible faults | as heard | the voice it learnt from |"
    yield "|---|---|---|"
    names = [f.name for f in fields(Faults)]
    theirs = astuple(found.reference) if found.reference else (None,) * len(names)
    for name, own, their in zip(names, astuple(found.faults), theirs, strict=True):
        unit = FAULT_UNITS[name]
        yield f"| {name} ({unit}) | {_plain(own)} | {_plain(their)} |"
    yield ""
    where = "bench/timeline/audible_faults.py"
    yield f"- Audible faults: medians of {found.voices} recordings, see {where}."


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _failure_row(failure: Failure) -> str:
    return (
        f"- {failure.fixture}, turn {failure.turn}: “{failure.user}” → “{failure.text}”, heard "
        f"“{failure.heard}” ({failure.reason})"
    )


def as_json(found: Evaluation) -> Mapping[str, Any]:
    """The same as plain JSON types; what is not known is null."""
    return {
        "preset": found.preset,
        "weights": found.weights,
        "double": found.double,
        "run_id": found.run_id,
        "gates": [
            {
                "gate": j.gate.number,
                "figure": j.gate.name,
                "unit": j.gate.unit,
                "value": _finite(j.figure.value),
                "low": _finite(j.figure.low),
                "high": _finite(j.figure.high),
                "n": j.figure.n,
                "target": j.gate.target,
                "at_least": j.gate.at_least,
                "verdict": j.verdict,
                "why": j.why,
            }
            for j in found.gates
        ],
        "agent_wer": {"value": found.wer.value, "n": found.wer.n},
        "faults": asdict(found.faults),
        "reference_faults": asdict(found.reference) if found.reference else None,
        "failures": [asdict(failure) for failure in found.failures],
        "left_out": found.left_out,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
