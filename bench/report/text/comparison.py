"""A comparison as text: tables and sentences for the terminal and for Markdown, and plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from bench.compare.compare import Comparison, PairComparison, effect_text
from bench.compare.gate import Outcome
from bench.report.text.escape import visible
from bench.report.text.listing import Listing, Row, literal, markdown_of
from bench.stats.format import DASH, Block, number
from bench.stats.quantiles import CONFIDENCE

STATES = {"holds": "holds", "broken": "BROKEN", "unknown": "can't say"}


def title(found: PairComparison) -> str:
    """The names of the two sides."""
    return f"{_name(found, found.base.run, found.base.preset)} → " + _name(
        found, found.candidate.run, found.candidate.preset
    )


def _name(found: PairComparison, run: str, preset: str) -> str:
    return preset if found.base.run == found.candidate.run else f"{preset} ({run})"


def block(found: PairComparison) -> Block:
    """The table of one pair."""
    header = ("metric", "base", "candidate", "change", "interval", "n", "verdict")
    return Block(
        title(found),
        header,
        tuple(_row(c) for c in found.metrics),
        left=("verdict",),
        leave=("n", "interval", "base", "candidate"),
    )


def _row(c: Comparison) -> tuple[str, ...]:
    value, low, high = c.change
    interval = DASH if low is None or high is None else f"{_change(c, low)} to {_change(c, high)}"
    return (
        _with_unit(c.compared.metric, c.compared.unit),
        *(figure(value) for value in c.shown),
        DASH if value is None else _change(c, value),
        interval,
        str(c.shift.n),
        c.verdict,
    )


def _with_unit(metric: str, unit: str) -> str:
    """The metric's name, and its unit unless the name says it."""
    is_said = unit.partition("/")[0].lower() in metric.split("_")
    return metric if is_said or not unit else f"{metric} ({unit})"


def _change(c: Comparison, value: float) -> str:
    """A ratio with its x, or a difference with its sign."""
    return ratio(value) if c.compared.scale == "ratio" else figure(value, "+")


def ratio(value: float) -> str:
    """A ratio with its x, and with enough decimals to see that it is not 1."""
    decimals = next((n for n in (3, 4, 5) if value == 1 or round(value, n) != 1), 6)
    return f"{value:.{decimals}f}x"


def figure(value: float | None, sign: str = "") -> str:
    """A figure with as many decimals as its size deserves."""
    if value is None:
        return DASH
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return number(value, f"{sign}.{decimals}f")


def option_lines(found: PairComparison) -> list[str]:
    """What differs between the two presets, a line an option; none where nothing does."""
    if not found.options:
        return []
    lines = [
        f"  {one.option}: {_value(one.base)} → {_value(one.candidate)}" for one in found.options
    ]
    return ["Options that differ:", *lines]


def _value(value: Any) -> str:
    """A value as TOML would hold it, nearly; a dash for none."""
    return DASH if value is None else json.dumps(value, ensure_ascii=False)


def notes(found: Sequence[PairComparison]) -> list[str]:
    """Sentences that must stand beside the tables."""
    tested = [c for pair in found for c in pair.metrics if c.tested is not None]
    effects = sorted({effect_text(c.compared) for c in tested if "n needed" in c.verdict})
    tests = "test" if len(tested) == 1 else "tests"
    said = [
        "n: conversations on which both have a figure that counts. Repeats of a turn, and turns "
        "and variants of one conversation, count once. base, candidate: of all turns that count, "
        "as 'show' prints them; their difference need not be the change, which is the typical one "
        "of the pairs.",
        f"Verdicts: Holm's procedure over the {len(tested)} {tests} shown; the same agent measured "
        f"twice is called faster or slower in any of them in at most {100 * (1 - CONFIDENCE):.0f} "
        "% of cases. Each interval is at the level at which its metric was tested (95 % or more), "
        "and leaves no change out exactly where there is a verdict.",
    ]
    if effects:
        said.append(
            f"n needed: conversations that would show {', '.join(effects)} (or, where n would have "
            "shown that, the change found) with 80 % power, by the spread of these pairs."
        )
    for pair in found:
        said += pair.warnings
        if pair.one_sided:
            said.append(f"{title(pair)}: not compared, only one has {', '.join(pair.one_sided)}.")
        said += _left_out(pair)
        said += pair.notes
    return list(dict.fromkeys(said))


def _left_out(pair: PairComparison) -> Iterator[str]:
    for c in pair.metrics:
        if c.compared.metric == "voice_to_voice" and c.pairs.only_base + c.pairs.only_candidate:
            yield (
                f"{title(pair)}: voice_to_voice of {len(c.pairs.keys)} turns is compared; left out "
                f"are {c.pairs.only_base} where only the base has one that counts, and "
                f"{c.pairs.only_candidate} where only the candidate has."
            )


def gate_block(outcomes: Sequence[Outcome]) -> Block:
    """The table of gates."""
    return Block(
        "Gates",
        ("gate", "pair", "figure", "interval", "n", "verdict"),
        tuple(
            (
                o.gate.text,
                pair_of(o),
                _limited(o, o.bounds.value),
                DASH
                if o.bounds.low is None or o.bounds.high is None
                else f"{_limited(o, o.bounds.low)} to {_limited(o, o.bounds.high)}",
                str(o.bounds.n),
                STATES[o.state],
            )
            for o in outcomes
        ),
        left=("pair", "verdict"),
        leave=("n", "interval"),
    )


def pair_of(o: Outcome) -> str:
    """The names of the two sides that a gate was checked on."""
    if o.base.preset == o.candidate.preset:
        return o.base.preset
    return f"{o.base.preset} → {o.candidate.preset}"


def _limited(o: Outcome, value: float | None) -> str:
    if value is None:
        return DASH
    if o.gate.kind == "ratio":
        return ratio(value)
    return f"{figure(value, '+' if o.gate.kind == 'difference' else '')}{o.gate.unit}"


def gate_sentence(o: Outcome) -> str:
    """The result of a gate, and why."""
    where = f"{o.gate.text}, {pair_of(o)}"
    if o.bounds.reason is not None:
        return f"{where}: can't say, {o.bounds.reason}"
    low, high = (_limited(o, end) for end in (o.bounds.low, o.bounds.high))
    if o.bounds.low is None or o.bounds.high is None:
        return f"{where}: can't say, insufficient n ({o.bounds.n}, {o.bounds.need})"
    interval = f"{_limited(o, o.bounds.value)}, {low} to {high}, n {o.bounds.n}"
    if o.state == "broken":
        return f"{where}: broken, the whole interval lies beyond the limit ({interval})"
    if o.state == "holds":
        return f"{where}: holds, the whole interval lies within the limit ({interval})"
    more = "" if o.needed is None else f"; about {o.needed} conversations would decide it"
    return f"{where}: can't say, the limit lies inside the interval ({interval}){more}"


def markdown(found: Sequence[PairComparison], outcomes: Sequence[Outcome]) -> str:
    """All of it as Markdown, gates first: for a job's page."""
    parts = ["# duplex-lab compare"]
    if outcomes:
        parts.append(markdown_of(gate_block(outcomes)))
        parts.append("\n".join(f"- {visible(gate_sentence(o))}" for o in outcomes))
    for pair in found:
        parts.append(markdown_of(block(pair)))
        if listed := option_lines(pair):
            parts.append("\n".join(f"- {literal(line.strip())}" for line in listed))
    parts.append("\n".join(f"- {visible(note)}" for note in notes(found)))
    return "\n\n".join(parts) + "\n"


def listing(found: Sequence[PairComparison]) -> Listing:
    """A row a metric of each pair: for CSV."""
    return Listing("metrics", (), tuple(_flat(pair, c) for pair in found for c in pair.metrics))


def _flat(pair: PairComparison, c: Comparison) -> Row:
    return {
        "base_run": pair.base.run,
        "base_preset": pair.base.preset,
        "candidate_run": pair.candidate.run,
        "candidate_preset": pair.candidate.preset,
        **_data(c),
    }


def as_data(found: Sequence[PairComparison], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All of it as plain JSON types; figures are not rounded."""
    return {
        "pairs": [
            {
                "base": {"run": pair.base.run, "preset": pair.base.preset},
                "candidate": {"run": pair.candidate.run, "preset": pair.candidate.preset},
                "metrics": [_data(c) for c in pair.metrics],
                "only_one_side_has": list(pair.one_sided),
                "warnings": pair.warnings,
                "notes": list(pair.notes),
                "options": [asdict(one) for one in pair.options],
            }
            for pair in found
        ],
        "gates": [
            {
                "gate": o.gate.text,
                "base": o.base.preset,
                "candidate": o.candidate.preset,
                "state": o.state,
                "value": o.bounds.value,
                "low": o.bounds.low,
                "high": o.bounds.high,
                "confidence": o.confidence,
                "n": o.bounds.n,
                "n_needed": o.needed,
                "text": gate_sentence(o),
            }
            for o in outcomes
        ],
    }


def _data(c: Comparison) -> dict[str, Any]:
    value, low, high = c.change
    return {
        "metric": c.compared.metric,
        "unit": c.compared.unit,
        "better": c.compared.better,
        "scale": c.compared.scale,
        "base": c.shown[0],
        "candidate": c.shown[1],
        "base_of_pairs": c.base,
        "candidate_of_pairs": c.candidate,
        "change": value,
        "low": low,
        "high": high,
        "confidence": None if low is None else c.confidence,
        "p_holm": None if c.tested is None else c.tested.adjusted,
        "conversations": c.shift.n,
        "turns": len(c.pairs.keys),
        "turns_only_base": c.pairs.only_base,
        "turns_only_candidate": c.pairs.only_candidate,
        "direction": c.direction,
        "n_needed": c.needed,
        "verdict": c.verdict,
    }
