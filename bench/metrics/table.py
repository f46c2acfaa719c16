"""The metrics: one row of `METRICS` each, and their computation for a trial or a whole run.

To add a metric, write how it is read (of_trials.py, of_turns.py) and add its row; those of duplex
models are in rows_frames.py, those of who has the floor in rows_turn_taking.py. All of it is pure:
the same marks and the same recording give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.metrics import of_trials as of_trial
from bench.metrics import of_turns as of_turn
from bench.metrics import of_words_heard as of_heard
from bench.metrics.metric import Metric
from bench.metrics.of_trials import Reading, TrialMeasure, TrialView
from bench.metrics.of_turns import TurnMeasure, TurnView
from bench.metrics.rows_frames import DUPLEX_METRICS
from bench.metrics.rows_turn_taking import FLOOR_METRICS
from bench.metrics.validity import GROUPS, not_understood
from bench.store.labels import FixtureLabels, TurnLabels
from bench.store.recording import Stereo
from bench.store.records import MetricRow, Trial
from bench.store.store import Run
from bench.timeline.critical_path import PIECES, critical_path
from bench.timeline.frames import sessions
from bench.timeline.lateness import broken_bound
from bench.timeline.mark_order import check_order
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.marks import EventName, Mark


def _lateness_rows() -> Iterator[Metric]:
    kinds = (
        ("mouth_lateness", of_trial.mouth, "harness", "user chunk sent − due"),
        ("ear_lateness", of_trial.ear, "harness", "agent chunk received − written"),
        ("loop_lag", of_trial.lag, "machine", "user chunk seen by the pipeline − due"),
    )
    for name, of, group, text in kinds:
        for suffix, p in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            described = f"{text}, {suffix} of the trial"
            yield Metric(
                1, f"{name}_{suffix}", "ms", group, described, of_trial.late_quantile(of, p)
            )


def _turn(number: int, name: str, description: str, read: TurnMeasure, unit: str = "ms") -> Metric:
    return Metric(number, name, unit, "latency", description, on_turn=read)


def _harness(name: str, unit: str, description: str, read: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "harness", description, read)


def _content(name: str, unit: str, description: str, read: TurnMeasure) -> Metric:
    return Metric(18, name, unit, "content", description, on_turn=read)


def _cost(name: str, unit: str, description: str, read: TrialMeasure) -> Metric:
    return Metric(20, name, unit, "machine", description, read)


_PIECES = {p.name: p for p in PIECES}
_PIPECATS: tuple[tuple[EventName, str], ...] = (("ttfb", "TTFB"), ("processing", "processing time"))
"""Pipecat's own metrics that are read, and their names."""

METRICS: tuple[Metric, ...] = (
    *_lateness_rows(),
    _turn(2, "voice_to_voice", "a_on − u_off as heard, signed", of_turn.voice_to_voice),
    _turn(
        2,
        "voice_to_voice_logged",
        "the same by the event log: bot started − (VAD stop − stop_secs)",
        of_turn.voice_to_voice_logged,
    ),
    _turn(2, "heard_minus_logged", "what the event log leaves out", of_turn.heard_minus_logged),
    _turn(4, "turn_wait", _PIECES["turn_wait"].description, of_turn.turn_wait),
    _turn(5, "stt_final", "final transcript − u_off; inside turn_wait", of_turn.stt_final),
    _turn(5, "stt_tail", "final transcript − VAD stop, never below 0", of_turn.stt_tail),
    _turn(6, "llm_ttft", "LLM request → its first token", of_turn.llm_until("first_token")),
    _turn(6, "llm_ttfat", "→ its first speakable token", of_turn.llm_until("first_speakable")),
    _turn(6, "llm_to_clause", _PIECES["llm_to_clause"].description, of_turn.llm_to_clause),
    _turn(
        6,
        "llm_cancelled",
        "LLM requests of the turn that were cancelled",
        of_turn.llm_cancelled,
        "",
    ),
    _turn(7, "tts_ttfb", "TTS request → first byte", of_turn.tts_ttfb),
    _turn(7, "tts_ttfa", _PIECES["tts_ttfa"].description, of_turn.piece("tts_ttfa")),
    _turn(8, "resample", "resampler on the path: 0, there is none by design", of_turn.resample),
    _turn(8, "output", _PIECES["output"].description, of_turn.piece("output")),
    *(_turn(8, p.name, p.description, of_turn.piece(p.name)) for p in PIECES if p.is_gap),
    _turn(8, "residual", "Σ of the hand-over gaps", of_turn.residual),
    *(
        Metric(
            8,
            f"pipecat_{event}",
            "ms",
            "latency",
            f"Pipecat's own {text}, median of the trial, by processor; of pipelines not ours",
            of_trial.pipecats(event),
        )
        for event, text in _PIPECATS
    ),
    *DUPLEX_METRICS,
    Metric(
        13,
        "underflows",
        "1/min",
        "playout",
        "times the ear ran dry inside the agent's speech, per minute of it",
        of_trial.underflows_per_min,
    ),
    Metric(
        13, "underflow_ms", "ms", "playout", "how long it was dry in all", of_trial.underflow_ms
    ),
    Metric(
        15,
        "premature_starts",
        "",
        "floor",
        "answers that began before the user had ended and were cut before the user had",
        on_turn=of_turn.premature_starts,
    ),
    *FLOOR_METRICS,
    _content("stt_wer", "%", "word errors of the transcript per word said", of_turn.stt_wer),
    _content("stt_words", "", "words that the user said", of_turn.stt_words),
    _content("stt_word_errors", "", "word errors of the transcript", of_turn.stt_word_errors),
    _content("task_success", "%", "100: the agent did what a good one does", of_turn.task_success),
    _content(
        "agent_wer",
        "%",
        "word errors of a recogniser on the answer as heard, per word that the agent meant",
        of_heard.agent_wer,
    ),
    _content("agent_words", "", "words that the agent meant to say", of_heard.agent_words),
    _content("agent_word_errors", "", "word errors of that recogniser", of_heard.agent_word_errors),
    _content(
        "heard_success",
        "%",
        "task_success by that recogniser's words, where the user did not break into the answer",
        of_heard.heard_success,
    ),
    _cost("cpu_s_per_audio_min", "s/min", "CPU time of the agent", of_trial.cpu_s_per_audio_min),
    _cost("rss_peak_mb", "MB", "peak memory of the agent's process tree", of_trial.rss_peak_mb),
    _harness(
        "caller_cpu_percent",
        "%",
        "CPU time of the caller's process per time of the trial; aim: at most 10 % of a core",
        of_trial.caller_cpu_percent,
    ),
    _harness(
        "caller_rss_mb",
        "MB",
        "peak memory of the caller's process; aim: at most 300 MB",
        of_trial.caller_rss_mb,
    ),
    _cost("joules", "J", "energy", of_trial.joules),
    _cost(
        "cold_start",
        "ms",
        "a model's process started → warm",
        of_trial.cold_start("process_start", "warm_end"),
    ),
    _cost("cold_load", "ms", "a model's loading", of_trial.cold_start("load_start", "load_end")),
    _cost("cold_warm", "ms", "a model loaded → warm", of_trial.cold_start("load_end", "warm_end")),
)
"""Every metric, in the order in which it is stored."""


def compute(
    run: Run, fixtures: Callable[[str], FixtureLabels | None] | None = None
) -> list[MetricRow]:
    """All metrics of all trials of a run.

    Args:
        run: The run, whole or partial.
        fixtures: Fixture name → its labels; by default those stored with the run.
    """
    labels_of = fixtures or run.labels
    rows: list[MetricRow] = []
    for trial in run.trials:
        marks, recording = run.marks(trial.trial_id), run.recording(trial)
        rows += compute_trial(trial, marks, recording, labels_of(trial.fixture))
    return rows


def compute_trial(
    trial: Trial,
    marks: Sequence[Mark],
    recording: Stereo | None,
    labels: FixtureLabels | None,
) -> list[MetricRow]:
    """All metrics of one trial.

    Args:
        trial: Its row.
        marks: Its marks, in any order.
        recording: (n, 2) int16 at ``trial.rate_hz``; None if there is none.
        labels: Of its fixture; None refuses what needs the words.

    Raises:
        MarkOrderError: an effect is marked before its cause.
    """
    check_order(trial.trial_id, marks)
    timeline = reconstruct(trial, marks, recording)
    view = TrialView(timeline, sessions(timeline.marks, trial.t0_ns), labels)
    broken = broken_bound(timeline)
    failed = _failed(trial)
    rows = []
    for metric in METRICS:
        if metric.on_trial is not None:
            group = GROUPS[metric.group]
            refused = group.refused.get(trial.weights)
            for reading in [Reading(None, refused)] if refused else metric.on_trial(view):
                spoilt = broken if group.needs_ruler else None
                spoilt = (failed if group.needs_end else None) or spoilt
                rows.append(_row(metric, trial, -1, reading, spoilt))
    for number in range(trial.turns):
        rows += _turn_rows(timeline, number, _labels_of(labels, number), broken)
    return rows


def _labels_of(labels: FixtureLabels | None, number: int) -> TurnLabels | None:
    return None if labels is None else labels.of(number)


def _turn_rows(
    timeline: Timeline, number: int, labels: TurnLabels | None, broken: str | None
) -> Iterator[MetricRow]:
    """The rows of one turn; of one that was never spoken, a failure with that reason."""
    trial, turn = timeline.trial, timeline.turn(number)
    rows = [(metric, metric.on_turn) for metric in METRICS if metric.on_turn is not None]
    not_asked = of_turn.expects_answer(labels)
    if turn is None:
        listened = bool(timeline.all("ear", "transcript"))
        for metric, _ in rows:
            refused = GROUPS[metric.group].refused.get(trial.weights)
            refused = refused or (not_asked if metric.group == "latency" else None)
            reading = of_turn.unspoken(metric.name, trial, labels, listened=listened)
            yield _row(metric, trial, number, Reading(None, refused) if refused else reading, None)
        return
    path = critical_path(turn, timeline.chunks, trial.rate_hz)
    view = TurnView(timeline, turn, path, labels)
    # Also what was answered before the failure: a stage that was dying is no time to compare.
    misheard = _failed(trial) or turn.doubt or not_understood(turn, labels, trial)
    for metric, read in rows:
        group = GROUPS[metric.group]
        if trial.weights in group.refused:
            yield _row(metric, trial, number, Reading(None, group.refused[trial.weights]), None)
        elif not_asked is not None and metric.group == "latency":
            yield _row(metric, trial, number, Reading(None, not_asked), None)
        else:
            spoilt = broken if group.needs_ruler else None
            if group.needs_understanding:
                spoilt = spoilt or misheard
            yield _row(metric, trial, number, read(view), spoilt)


def _failed(trial: Trial) -> str | None:
    """Why the trial's figures are not to be compared; None if it did not fail."""
    return f"the trial failed: {trial.error}" if trial.status == "error" else None


def row_of(
    trial: Trial, turn: int, name: str, unit: str, reading: Reading, spoilt: str | None
) -> MetricRow:
    """A reading as a row of the table.

    Args:
        trial: Whose figure it is.
        turn: Its number; -1 for the whole trial.
        name: Of the metric.
        unit: Of its values.
        reading: The value, or the reason why there is none.
        spoilt: Why the row is not valid; None if it is.
    """
    reasons = [text for text in (reading.reason, spoilt) if text]
    return MetricRow(
        run_id=trial.run_id,
        trial_id=trial.trial_id,
        preset=trial.preset,
        fixture=trial.fixture,
        repeat=trial.repeat,
        warmup=trial.warmup,
        turn=turn,
        metric=name,
        subject=reading.subject,
        value=reading.value,
        unit=unit,
        valid=spoilt is None,
        reason="; ".join(reasons) or None,
        weights=trial.weights,
    )


def _row(
    metric: Metric, trial: Trial, turn: int, reading: Reading, spoilt: str | None
) -> MetricRow:
    return row_of(trial, turn, metric.name, metric.unit, reading, spoilt)
