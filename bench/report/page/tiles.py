"""The page's cards, one a preset: its main figure, how sure it is, and what a median hides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench.report.page.chart import colour
from bench.report.page.markup import esc
from bench.report.page.turns import Cards
from bench.stats.format import DASH, Block, number, percent
from bench.stats.quantiles import Estimate
from bench.summary.answers import RESIDUAL, SLOW_MS
from bench.summary.causes import explained
from bench.summary.frames import DuplexSummary
from bench.summary.outliers import outliers
from bench.summary.summary import PresetSummary, RunSummary
from bench.summary.verdict import outlier_sentence, verdicts
from bench.timeline.critical_path import PIECES
from bench.timeline.frame_times import STAGES
from bench.timeline.frames import FRAME_MS

LABELS = {p.name: p.label for p in PIECES if not p.is_gap} | {RESIDUAL: "hand-over gaps"}
"""Part of an answer → its name."""


def tiles(summary: RunSummary) -> str:
    """The cards of a run, as HTML."""
    frames = {p.preset: p for p in summary.duplex}
    said = verdicts(summary)
    cards = "".join(_tile(p, frames.get(p.preset), said[p.preset]) for p in summary.presets)
    return f'<ul class="tiles">{cards}</ul>'


def _tile(p: PresetSummary, frames: DuplexSummary | None, verdict: str) -> str:
    """A preset's card; a duplex model with synthetic weights shows its frames instead."""
    facts: Sequence[tuple[str, str]] = ()
    if p.weights == "synthetic" and frames is not None:
        figure, unit = number(frames.service_p50), "ms a frame"
        under = f"budget 80 ms · {frames.verdict}"
    else:
        figure, unit = number(p.p50.value), "ms p50" if p.p50.value is not None else ""
        under, facts = _sureness(p), list(_facts(p)) if p.values else ()
    listed = "".join(f"<div><dt>{esc(name)}</dt><dd>{esc(said)}</dd></div>" for name, said in facts)
    return (
        f'<li class="card tile" style="--own:var(--{colour(p.preset)[1:]})">'
        f'<h4 title="{esc(p.preset)}">{esc(p.preset)}</h4>'
        f'<span class="badge {esc(p.weights)}">{esc(p.weights)}</span>'
        f'<p class="big"><b>{esc(figure)}</b> {esc(unit)}</p><p class="sure">{esc(under)}</p>'
        + (f"<dl>{listed}</dl>" if listed else "")
        + f'<p class="verdict">{esc(_sentence(verdict))}</p>'
        f'<p class="counts">{_counts(p)}</p></li>'
    )


def _sentence(clause: str) -> str:
    """A clause with a capital letter, unless it begins with a name in capitals."""
    return clause[:1].upper() + clause[1:]


def _facts(p: PresetSummary) -> Iterator[tuple[str, str]]:
    """What the median hides: the slowest answer, how many are slow, and the largest part."""
    yield "slowest", f"{number(p.slowest_ms)} ms"
    yield f"> {SLOW_MS / 1000:g} s", f"{p.slow_answers} of {len(p.values)}"
    if p.shares:
        yield f"largest: {LABELS[p.shares[0].part]}", percent(p.shares[0].share)


def slow_turns(summary: RunSummary, cards: Cards, run: int) -> str:
    """What the answers that took far longer have in common, each with a way to the slowest."""
    places = {
        (cards.trials[card.trial].trial_id, card.turn): i for i, card in enumerate(cards.turns)
    }
    known = explained(summary.causes)
    lines = [
        f"<li><b>{esc(p.preset)}</b>: {esc(outlier_sentence(group, len(p.answers)))}; "
        f'<a href="#turn-{run}-{places[slowest.trial_id, slowest.turn]}">see the slowest</a></li>'
        for p in summary.presets
        for group in outliers(p.answers, p.p50.value, known)
        if ((slowest := group.answers[0]).trial_id, slowest.turn) in places
    ]
    return f'<ul class="slow card">{"".join(lines)}</ul>' if lines else ""


def _counts(p: PresetSummary) -> str:
    if not p.turns:
        return "1 trial" if p.trials == 1 else f"{p.trials} trials"
    invalid, silent = (_unbroken(percent(x)) for x in (p.invalid_rate, p.unanswered_rate))
    return (
        f"{len(p.values)} of {p.turns} turns count · <b>{invalid} not valid</b> · "
        f"{silent} no answer · {_n(p)}"
    )


def _n(p: PresetSummary) -> str:
    """Both n of a preset's figures."""
    conversations = "1 conversation" if p.conversations == 1 else f"{p.conversations} conversations"
    return f"n {p.p50.n} in {conversations}"


def _unbroken(text: str) -> str:
    """Text that stays on one line."""
    return text.replace(" ", "\u00a0")


def _sureness(p: PresetSummary) -> str:
    if p.p50.value is None:
        return f"no figure: no valid turn of {p.turns}"
    said = (
        f"95 % interval {number(p.p50.low)} – {number(p.p50.high)}"
        if p.p50.low is not None
        else f"no interval: n {p.p50.n}, needs {p.p50.need}"
    )
    return f"{said} · {_tail(p.p95)}"


def _tail(p95: Estimate) -> str:
    if not p95.bounded:
        return f"no p95: n {p95.n}, needs {p95.need}"
    return f"p95 {number(p95.value)}, at most {number(p95.high)}"


def stage_blocks(summary: RunSummary) -> Iterator[Block]:
    """The stages of each preset, with their shares: of an answer, and of a frame's 80 ms."""
    rows = [
        (p.preset, *_cells(p, found), str(sum(bool(one.parts) for one in p.answers)))
        for p in summary.presets
        if (found := {s.part: s.share for s in p.shares})
    ]
    if rows:
        header = ("preset", *LABELS.values(), "answers")
        title = "Stages of an answer: median ms, and median share of the answer"
        yield Block(title, header, tuple(rows))
    frames = [
        (p.preset, *(_of_budget(ms) for ms in p.stages.values()), _of_budget(p.service_p50))
        for p in summary.duplex
        if p.service_p50 is not None
    ]
    if frames:
        title = f"Stages of a frame: median ms, and share of its {FRAME_MS:.0f} ms"
        yield Block(title, ("preset", *STAGES, "whole frame"), tuple(frames))


def _cells(p: PresetSummary, found: Mapping[str, float]) -> Iterator[str]:
    for part in LABELS:
        yield f"{number(p.median(part))} · {percent(found.get(part))}"


def _of_budget(ms: float | None) -> str:
    return DASH if ms is None else f"{number(ms, '.1f')} · {percent(ms / FRAME_MS)}"
