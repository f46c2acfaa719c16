"""All of a run's figures as text: for the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.report.text.console import Screen
from bench.report.text.escape import visible
from bench.report.text.listing import markdown_of
from bench.report.text.table_frames import duplex_blocks, duplex_notes
from bench.report.text.table_read_back import read_back_blocks
from bench.report.text.table_turn_taking import (
    BENCH_NOTE,
    bench_blocks,
    turn_taking_blocks,
    turn_taking_notes,
)
from bench.stats.format import DASH, Block, number, percent, with_interval
from bench.stats.quantiles import MIN_N_INTERVAL, Estimate, Method, needed_n
from bench.store.labels import given_note, proposed_note
from bench.summary.headlines import columns
from bench.summary.summary import (
    CALLER_CPU_AIM,
    CALLER_RSS_AIM_MB,
    RESIDUAL_BOUND_MS,
    PresetSummary,
    RunSummary,
    Spoilt,
)
from bench.timeline.critical_path import PIECES
from bench.timeline.lateness import WAKES_LATE_MS

REFUSED = "refused: synthetic"
"""Text in place of a conversation's figure for weights that carry no meaning."""
LISTED = 8
"""Number of invalidated turns that are named; the rest are counted."""


def blocks(summary: RunSummary) -> list[Block]:
    """The tables of a run."""
    presets = summary.presets
    return [
        Block(
            "Voice to voice, as heard (ms)",
            (
                "preset",
                "weights",
                "valid/n",
                "invalid",
                "no answer",
                "p50 [95 %]",
                "p95 (≤)",
                "< 0",
                "vs log",
            ),
            tuple(_latency_row(p) for p in presets),
            leave=("vs log", "< 0", "p95 (≤)", "weights", "invalid", "valid/n", "no answer"),
        ),
        *_segments_block(summary),
        Block(
            "Quality and cost",
            (
                "preset",
                "answered",
                "WER %",
                "success % [95 %]",
                *(column.head for column in columns("quality")),
            ),
            tuple(_quality_row(p) for p in presets),
        ),
        *read_back_blocks(summary),
        *turn_taking_blocks(summary.turn_taking),
        *bench_blocks(summary.full_duplex_bench),
        *duplex_blocks(summary.duplex),
        *_cold_block(presets),
        *_connection_block(presets),
        *_ahead_block(presets),
    ]


def _latency_row(p: PresetSummary) -> tuple[str, ...]:
    return (
        p.preset,
        p.weights,
        f"{len(p.values)}/{p.turns}",
        percent(p.invalid_rate),
        percent(p.unanswered_rate),
        REFUSED if p.weights == "synthetic" else with_interval(p.p50),
        _tail(p.p95),
        percent(p.negative.value),
        number(p.median("heard_minus_logged"), "+.0f"),
    )


def _segments_block(summary: RunSummary) -> Iterator[Block]:
    """The parts of an answer; parts that duplex models lack are left out."""
    frame_by_frame = {p.preset for p in summary.duplex}
    first, *others = (p for p in PIECES if not p.is_gap)
    shown = [p for p in summary.presets if p.preset not in frame_by_frame]
    if frame_by_frame and not shown:
        return
    yield Block(
        "Where the milliseconds go (medians, ms)",
        (
            "preset",
            first.label,
            "⊃ STT tail",
            *(p.label for p in others),
            *(p.label.replace("→", "→ ") for p in PIECES if p.is_gap),  # may wrap after the arrow
            "residual",
        ),
        tuple(_segments_row(p) for p in shown),
    )


def _segments_row(p: PresetSummary) -> tuple[str, ...]:
    segments = [piece.name for piece in PIECES if not piece.is_gap]
    gaps = [piece.name for piece in PIECES if piece.is_gap]
    first, *others = segments
    return (
        p.preset,
        number(p.median(first)),
        number(p.median("stt_tail")),
        *(number(p.median(name)) for name in others),
        *(number(p.median(name), ".1f") for name in gaps),
        number(p.median("residual"), ".1f"),
    )


def _quality_row(p: PresetSummary) -> tuple[str, ...]:
    return (
        p.preset,
        f"{p.answered}/{p.turns}",
        number(p.wer, ".1f"),
        with_interval(p.success, 100),
        *(number(p.figures[column.key].value, column.spec) for column in columns("quality")),
    )


def _cold_block(presets: Sequence[PresetSummary]) -> Iterator[Block]:
    rows = tuple(
        (p.preset, model, number(load), number(warm), number(opened))
        for p in presets
        for model, (load, warm, opened) in p.cold.items()
    )
    if rows:
        header = ("preset", "model", "load", "warm-up", "warm start")
        yield Block("Cold and warm start (ms)", header, rows)


def _connection_block(presets: Sequence[PresetSummary]) -> Iterator[Block]:
    """Connecting, and the simulated network; nothing where there was neither."""
    shown = columns("connection")
    of = [p for p in presets if p.network or any(p.figures[c.key].value is not None for c in shown)]
    if not of:
        return
    added = ("network_up_ms", "network_down_ms")
    heads = ("preset", "network", *(c.head for c in shown), "added up ms", "added down ms")
    rows = (
        (
            p.preset,
            p.network or "none",
            *(number(p.figures[c.key].value, c.spec) for c in shown),
            *(number(p.median(name), ".1f") for name in added),
        )
        for p in of
    )
    yield Block("The way to the agent", heads, tuple(rows))


def _ahead_block(presets: Sequence[PresetSummary]) -> Iterator[Block]:
    """Answers begun before the turn was over; nothing where none was."""
    shown = columns("ahead")
    of = [p for p in presets if any(p.figures[c.key].value is not None for c in shown)]
    if of:
        rows = tuple(
            (p.preset, *(number(p.figures[c.key].value, c.spec) for c in shown)) for p in of
        )
        heads = ("preset", *(c.head for c in shown))
        yield Block("Answers begun on a predicted end of turn, in the whole run", heads, rows)


def _tail(estimate: Estimate) -> str:
    """A tail with its upper bound, or that n is insufficient."""
    if estimate.n == 0:
        return DASH
    if estimate.insufficient or estimate.value is None or estimate.high is None:
        return estimate.insufficient or DASH
    return f"{number(estimate.value)} (≤ {number(estimate.high)})"


# Sentences that the figures need beside them

SMART_TURN_NOTE = (
    "cascade-stock: smart-turn calls most half-cut synthetic sentences complete, so its "
    "endpointing delay here says little about human voices."
)


def notes(summary: RunSummary) -> list[str]:
    """Sentences that must stand beside the figures."""
    said = [
        f"p50: two-sided 95 % interval, from n = {MIN_N_INTERVAL} on; p95: one-sided 95 % upper "
        f"bound, from n = {needed_n(0.95)} on. n counts distinct turns of fixtures: repeats of a "
        "turn stand in every median and interval by their own median (in rates, by their share). "
        "Medians of parts need not add up to the median of the whole.",
        *_interval_notes(summary),
        "valid/n: repeats counted; n includes the turns that had no answer or were never spoken. "
        "vs log: heard − what the event log says. underrun: silence inside the agent's speech. "
        "mouth, loop: how late the measuring side sent and the agent took a chunk, the largest "
        "p99 of a trial, ms.",
    ]
    if summary.proposed:
        said.append(proposed_note(summary.proposed))
    if summary.given:
        said.append(given_note(summary.given))
    said += turn_taking_notes(summary.turn_taking)
    if summary.full_duplex_bench:
        said.append(BENCH_NOTE)
    said += duplex_notes(summary.duplex)
    if summary.warmups:
        count = "1 warm-up trial is" if summary.warmups == 1 else f"{summary.warmups} warm-ups are"
        said.append(f"{count} kept apart.")
    said.append(_calibration(summary))
    said += _spinner(summary)
    for p in summary.presets:
        said += _preset_notes(p)
    return said


INTERVALS: dict[Method, str] = {
    "turns": "{n} turns, each a conversation of its own: intervals from order statistics.",
    "conversations": "{n} turns in {conversations} conversations: intervals by resampling "
    "conversations, for turns of one are not independent; p95 counts conversations.",
    "few conversations": "{n} turns in only {conversations} of the 5 conversations that can be "
    "resampled: intervals from the turns as if they were independent, and so too narrow.",
}
"""Method → the sentence that stands beside its intervals."""


def _interval_notes(summary: RunSummary) -> list[str]:
    """What the intervals come from; presets that agree share a sentence."""
    of: dict[str, list[str]] = {}
    for p in summary.presets:
        if p.p50.n:
            told = INTERVALS[p.p50.method].format(n=p.p50.n, conversations=p.p50.n_conversations)
            of.setdefault(told, []).append(p.preset)
    return [f"{', '.join(presets)}: {told}" for told, presets in of.items()]


def _calibration(summary: RunSummary) -> str:
    error_ms, clicks = summary.calibration_error_ms, summary.calibration_clicks
    if error_ms is None:
        return "The harness was not calibrated in this run."
    of = "the" if clicks is None else str(clicks[1])
    heard = "" if clicks is None else f" ({clicks[0]} of {clicks[1]} heard)"
    said = f"Calibration: largest error of {of} clicks, idle, before the run: {error_ms:.2f} ms"
    return f"{said}{heard}."


def _spinner(summary: RunSummary) -> Iterator[str]:
    """What kept the cores awake, or why nothing did though the timers woke late."""
    for session in summary.info.get("sessions") or ():
        spinner, clicks = session.get("spinner") or {}, session.get("calibration") or {}
        before = clicks.get("before_spinning") or {}
        if spinner.get("cores"):
            yield (
                f"An idle-class spinner kept each of {len(spinner['cores'])} cores awake: timers "
                f"woke {number(before.get('timers_late_ms'), '.1f')} ms late without it (p95), "
                f"{number(clicks.get('timers_late_ms'), '.1f')} ms with it."
            )
        elif (clicks.get("timers_late_ms") or 0.0) > WAKES_LATE_MS:
            late = number(clicks["timers_late_ms"], ".1f")
            yield f"Timers woke {late} ms late (p95), without a spinner: {spinner.get('why_not')}."


def _preset_notes(p: PresetSummary) -> Iterator[str]:
    if p.weights == "synthetic":
        yield f"{p.preset}: synthetic weights, so there are no figures of a conversation."
    if p.weights == "scripted":
        yield f"{p.preset}: scripted stages, no models; it shows what the harness reads back."
    if p.preroll_ms:
        yield f"{p.preset}: heard behind a pre-roll of B = {p.preroll_ms:.0f} ms, which is counted."
    if p.network:
        yield f"{p.preset}: over the simulated network {p.network}, whose delays are counted."
    if p.preset.startswith("cascade-stock"):
        yield SMART_TURN_NOTE
    residual = p.median("residual")
    if residual is not None and residual > RESIDUAL_BOUND_MS:
        yield (
            f"{p.preset}: the median residual, {residual:.0f} ms, exceeds {RESIDUAL_BOUND_MS:.0f} "
            "ms: look at the gaps."
        )
    yield from _caller_lines(p)
    yield from _failed_lines(p)
    if p.turns > p.answered:
        yield f"{p.preset}: {p.turns - p.answered} of {p.turns} turns had no answer."
    if p.premature:
        count = "1 answer" if p.premature == 1 else f"{p.premature} answers"
        yield f"{p.preset}: {count} began before the user had ended and {_were(p.premature)} cut."
    yield from _spoilt_lines(p.preset, p.invalid)


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _caller_lines(p: PresetSummary) -> Iterator[str]:
    """The measuring side's share of the machine, where it exceeds the aim."""
    for value, aim, unit in (
        (p.caller_cpu_percent, CALLER_CPU_AIM, "% of a core"),
        (p.caller_rss_mb, CALLER_RSS_AIM_MB, "MB"),
    ):
        if value is not None and value > aim:
            took = f"{value:.0f} {unit} (aim: at most {aim:.0f})"
            yield f"{p.preset}: the measuring side took up to {took}."


def _failed_lines(p: PresetSummary) -> Iterator[str]:
    if not p.failed:
        return
    trials = "trial" if p.trials == 1 else "trials"
    yield f"{p.preset}: {len(p.failed)} of {p.trials} {trials} failed:"
    for one in p.failed[:LISTED]:
        yield f"  {one.trial_id}: {one.status}{f': {one.error}' if one.error else ''}"
    if len(p.failed) > LISTED:
        yield f"  … and {len(p.failed) - LISTED} more"


def _turns(numbers: Sequence[int]) -> str:
    """``turn 3``, ``turns 0 to 7`` or ``turns 0, 2, 5``."""
    if len(numbers) == 1:
        return f"turn {numbers[0]}"
    first, last = numbers[0], numbers[-1]
    if last - first == len(numbers) - 1:
        return f"turns {first} to {last}"
    return f"turns {', '.join(map(str, numbers))}"


def _spoilt_lines(preset: str, spoilt: Sequence[Spoilt]) -> Iterator[str]:
    if not spoilt:
        return
    count = "1 turn is" if len(spoilt) == 1 else f"{len(spoilt)} turns are"
    yield f"{preset}: {count} not valid and left out of the statistics:"
    alike = [list(of) for _, of in groupby(spoilt, key=lambda one: (one.trial_id, one.reason))]
    for of in alike[:LISTED]:
        yield f"  {of[0].trial_id}, {_turns([one.turn for one in of])}: {of[0].reason}"
    if more := sum(map(len, alike[LISTED:])):
        yield f"  … and {more} more (metrics.parquet has all, with the reason)"


# Output


def print_table(summary: RunSummary, screen: Screen | None = None) -> None:
    """Prints a run's tables and notes.

    Args:
        summary: The run's figures.
        screen: Where to; by default standard output.
    """
    out = screen or Screen()
    for block in blocks(summary):
        out.table(block)
        out.line()
    for note in notes(summary):
        out.say(note, "dim")


def markdown(summary: RunSummary) -> str:
    """The same as Markdown, for a README."""
    parts = [markdown_of(block) for block in blocks(summary)]
    parts.append("\n".join(f"- {visible(note.strip())}" for note in notes(summary)))
    return "\n\n".join(parts) + "\n"
