"""One trial, turn by turn: what happened when, what was said, what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.metrics.compute import trial_with_causes
from bench.metrics.table import METRICS
from bench.report.text.causes import turn_lines
from bench.report.text.escape import visible
from bench.report.text.first_token import first_token_line
from bench.report.text.layout import prose
from bench.store.labels import FixtureLabels
from bench.store.recording import Stereo
from bench.store.records import CauseRow, MetricRow
from bench.store.store import Run, read_causes
from bench.summary.causes import of_turns
from bench.summary.network import network_line
from bench.timeline.content.path import PARTS, content_path
from bench.timeline.critical_path import PIECES, Path, critical_path, durations, residual_ns
from bench.timeline.timeline import Timeline, Turn, reconstruct
from bench.timeline.utterances import content
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark

WIDTH = 100
AXIS, LEAST_AXIS = 44, 12
"""Width of the time axis in columns: in `WIDTH` columns, and the least."""
INDENT = " " * 8
"""Text before the second line of what takes several, after what leads the first."""

# Events that are too frequent to be shown one by one.
_MANY = frozenset({("user", "chunk_sent"), ("link", "chunk_in"), ("stt", "partial")})
_NO_TIMES = frozenset({("llm", "prompt_read"), ("llm", "prompt_cached")})
_NO_EVENTS = frozenset({"pipecat", "script", "network"})
"""Stages whose marks state the duration or the due time of another event."""
_WITH_VALUE = frozenset({("agent", "blocked"), ("tts", "rate"), ("stt", "ttfs_p99")})
_PER_CHUNK = frozenset({("link", "write"), ("ear", "received"), ("ear", "heard")})


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline."""

    ms: float
    """Time after u_off."""
    name: str
    text: str = ""


def show(run: Run, trial_id: str, *, frames: bool = False, width: int = WIDTH) -> str:
    """A trial's timeline as text.

    Args:
        run: The run.
        trial_id: The trial.
        frames: True to show every frame of a duplex model too.
        width: Columns of a line, at most, unless a word is longer.

    Raises:
        StoreError: there is no such trial, or its recording can't be read.
    """
    trial = run.trial(trial_id)
    marks, recording = run.marks(trial_id), run.recording(trial)
    labels = run.labels(trial.fixture)
    timeline = reconstruct(trial, marks, recording)
    computed = trial_with_causes(trial, marks, recording, labels)
    rows, causes = computed.metrics, of_turns(_causes(run, computed.causes))
    head = (
        f"{trial.trial_id}   status {trial.status}   weights {trial.weights}"
        f"{'   warm-up' if trial.warmup else ''}"
    )
    lines = [head, *([f"error: {trial.error}"] if trial.error else [])]
    lines += [_whole(rows, recording), *_pipecats(rows)]
    for turn in timeline.turns:
        of_turn = {row.metric: row for row in rows if row.turn == turn.number}
        of = causes.get((trial_id, turn.number), [])
        lines += ["", *_turn_lines(timeline, turn, of_turn, labels, of, frames, width)]
    unspoken = trial.turns - len(timeline.turns)
    if unspoken > 0:
        lines += ["", f"{unspoken} of {trial.turns} turns were not spoken."]
    wrapped = (one for line in lines for one in prose(visible(line), width, INDENT))
    return "\n".join(wrapped) + "\n"


def _causes(run: Run, of_turns_alone: list[CauseRow]) -> list[CauseRow]:
    """The causes stored with the run, which know all its trials; else those of the trial alone."""
    stored = read_causes(run.path)
    return of_turns_alone if stored is None else stored


def _whole(rows: Sequence[MetricRow], recording: Stereo | None) -> str:
    values = {row.metric: row.value for row in rows if row.turn < 0}
    parts = [f"{m.line} {_ms(values.get(m.name))}" for m in METRICS if m.line]
    return "   ".join(parts) + ("" if recording is not None else "   no recording")


def _pipecats(rows: Sequence[MetricRow]) -> Iterator[str]:
    """Pipecat's own metrics of a pipeline that is not ours, a line for each."""
    for metric in ("pipecat_ttfb", "pipecat_processing"):
        of = [
            f"{row.subject} {_ms(row.value)}"
            for row in rows
            if row.metric == metric and row.subject is not None
        ]
        if of:
            yield f"{metric}: {', '.join(of)}"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"


def _turn_lines(
    timeline: Timeline,
    turn: Turn,
    rows: dict[str, MetricRow],
    labels: FixtureLabels | None,
    causes: Sequence[CauseRow],
    frames: bool,
    width: int,
) -> Iterator[str]:
    known = labels is not None and turn.number < len(labels.turns)
    label = labels.turns[turn.number] if labels is not None and known else None
    path = critical_path(turn, timeline.chunks, timeline.trial.rate_hz)
    yield f"── turn {turn.number} ".ljust(width, "─")
    proposed = "   (labels proposed, not checked)" if labels is not None and labels.proposed else ""
    yield f"  said    {label.text if label else '(no labels)'}{proposed}"
    wer = rows["stt_wer"]
    error = "" if wer.value is None else f"   (WER {wer.value:.0f} %)"
    yield f"  heard   {turn.transcript or '–'}{error}"
    yield f"  answer  {turn.answer_of(path.llm_id) or '–'}"
    yield f"  verdict {_verdict(rows['task_success'])}"
    heard = rows["voice_to_voice"]
    figure = "–" if heard.value is None else f"{heard.value:.1f} ms"
    spoilt = "" if heard.valid else "  NOT VALID"
    reason = f"  ({heard.reason})" if heard.reason else ""
    yield f"  voice to voice {figure}{spoilt}{reason}"
    if network := network_line(timeline, turn, rows):
        yield f"  network {network}"
    yield from _after_filler(timeline, turn, labels, rows, width)
    if said := first_token_line(turn, path.llm_id, rows["llm_ttft"]):
        yield said
    yield from turn_lines(causes, width)
    yield ""
    yield from _axis(turn, _events(timeline, turn, path, frames), width)
    yield ""
    yield from _pieces(path, width)


def _after_filler(
    timeline: Timeline,
    turn: Turn,
    labels: FixtureLabels | None,
    rows: dict[str, MetricRow],
    width: int,
) -> Iterator[str]:
    """Fillers, and the way to the answer after them; nothing where the first sound answers."""
    row = rows["time_to_content"]
    if turn.a_on_ns is None or row.value == rows["voice_to_voice"].value:
        return
    found = content(timeline, turn, () if labels is None else labels.fillers)
    if found.fillers:
        words = (filler.text or turn.answer_of(filler.llm_id) or "–" for filler in found.fillers)
        yield f"  filler  {' '.join(f'“{text}”' for text in words)}"
    if row.value is None:
        yield f"  time to content – ({row.reason})"
        return
    yield f"  time to content {row.value:.1f} ms"
    way = content_path(timeline, turn, found)
    if way is not None and way.missing is None:
        shown = [(part, part.duration(way) or 0) for part in PARTS]
        yield from _sum(((part.label, not part.name, ns) for part, ns in shown if ns), width)


def _verdict(row: MetricRow) -> str:
    if row.value is None:
        return f"– ({row.reason})"
    return ("right" if row.value > 50 else "wrong") + (f" ({row.reason})" if row.reason else "")


def _events(timeline: Timeline, turn: Turn, path: Path, frames: bool) -> list[Event]:
    """What is shown of a turn: its marks, and of the agent's chunks only the first and the last.

    Of a duplex model's frames only the text is, unless all are asked for.
    """

    def after(t_ns: int) -> float:
        return (t_ns - turn.u_off_ns) / NS_PER_MS

    skipped = _MANY | _PER_CHUNK | _NO_TIMES
    events = [
        Event(after(m.t_ns), f"{m.stage}.{m.event}", _detail(m))
        for m in turn.marks
        if (m.stage, m.event) not in skipped
        and m.stage not in _NO_EVENTS
        and (frames or m.stage != "duplex" or m.event == "text")
    ]
    events += [
        Event(after(m.t_ns), "pipecat.bot_started") for m in turn.all("pipecat", "bot_started")
    ]
    if path.write is not None:
        events.append(Event(after(path.write), "link.write", "the reply's first chunk"))
    if path.heard is not None:
        events.append(Event(after(path.heard), "ear.heard", "its first sample"))
    for sound in timeline.sounds:
        if turn.u_on_ns < sound.end_ns and (turn.end_ns is None or sound.start_ns < turn.end_ns):
            first = sound.start_ns == turn.a_on_ns
            events.append(Event(after(sound.start_ns), "a_on" if first else "agent sounds"))
            events.append(Event(after(sound.end_ns), "agent silent"))
    return sorted(events, key=lambda event: event.ms)


def _detail(mark: Mark) -> str:
    parts = [mark.request_id] if mark.request_id else []
    if mark.text:
        parts.append(f"“{mark.text}”")
    shown = mark.stage in ("turn", "ear") or (mark.stage, mark.event) in _WITH_VALUE
    if shown and mark.value is not None:
        parts.append(f"{mark.value:g}")
    return " ".join(parts)


def _axis(turn: Turn, events: Sequence[Event], width: int) -> Iterator[str]:
    """Each event on a line, with a dot on a time axis; ``|`` is u_off.

    It spans from u_off to a_on and a little more; ``‹`` and ``›`` stand for what lies outside.
    """
    if not events:
        return
    onset = events[-1].ms if turn.a_on_ns is None else (turn.a_on_ns - turn.u_off_ns) / NS_PER_MS
    margin = max(1.0, 0.15 * abs(onset))
    first, last = min(0.0, onset) - margin, max(0.0, onset) + margin
    axis = max(LEAST_AXIS, AXIS - max(0, WIDTH - width))
    scale = (axis - 1) / (last - first)
    for event in events:
        line = [" "] * axis
        line[round(-first * scale)] = "|"
        if event.ms < first:
            line[0] = "‹"
        elif event.ms > last:
            line[-1] = "›"
        else:
            line[round((event.ms - first) * scale)] = "●"
        head = f"{event.ms:9.1f}  {''.join(line)}  "
        said = prose(visible(f"{event.name} {event.text}".rstrip()), width - len(head))
        yield f"{head}{said[0]}"
        yield from (f"{' ' * len(head)}  {more}" for more in said[1:])


def _pieces(path: Path, width: int) -> Iterator[str]:
    """The critical path as a sum."""
    if path.missing is not None:
        yield f"  critical path: not whole, no {path.missing}"
        return
    shown = [(piece, piece.duration(path)) for piece in PIECES]
    terms = ((piece.label, piece.is_gap, ns) for piece, ns in shown if ns is not None)
    yield from _sum(terms, width)
    total, gaps = sum(durations(path).values()), residual_ns(path) or 0
    yield f"  = {total / NS_PER_MS:.1f} ms; residual (Σ gaps) {gaps / NS_PER_MS:.1f} ms"


def _sum(terms: Iterable[tuple[str, bool, int]], width: int) -> Iterator[str]:
    """Durations as a sum: each with its name, whether it is a gap, and its ns."""
    parts = [
        f"{'gap ' if is_gap else ''}{label} {ns / NS_PER_MS:.1f}" for label, is_gap, ns in terms
    ]
    line = "  " + parts[0]
    for part in parts[1:]:
        if len(line) + len(part) + 3 > width - 2:
            yield line + " +"
            line = "    "
            line += part
        else:
            line += f" + {part}"
    yield line
