"""HTML of the page's words and tables; all text from data is escaped in this module."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.report.page.chart import Chart
from bench.report.page.turns import Cards
from bench.report.text.escape import visible
from bench.report.text.formats import plain
from bench.stats.format import DASH, Block, percent
from bench.store.labels import given_note, proposed_note
from bench.summary.summary import RunSummary

MAX_CALIBRATION_MS = 5.0
"""Largest calibration error, ms, without a warning at the top."""
MUCH_INVALID = 0.25
"""Largest share of invalidated turns without a warning at the top."""
LONG = 14
"""Largest number of rows of a table that does not scroll by itself."""
_TEXT_COLUMNS = frozenset({"preset", "weights", "model", "trial", "reason", "fixture", "status"})


def esc(value: object) -> str:
    """Text written by others, escaped for HTML, between tags or in an attribute's quotes."""
    return html.escape(visible(str(value)), quote=True)


def script_json(value: object) -> str:
    """JSON that can stand in a script element: nothing in it can end the element."""
    text = json.dumps(plain(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def table(block: Block) -> str:
    """A table with its caption, and with rows named by their first cell."""
    head = "".join(
        f'<th scope="col"{_kind(block, i)}>{esc(name)}</th>' for i, name in enumerate(block.header)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row" title="{esc(cell)}"><span>{esc(cell)}</span></th>'
            if i == 0
            else f"<td{_kind(block, i)}>{esc(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in block.rows
    )
    long = " long" if len(block.rows) > LONG else ""
    return (
        f'<div class="scroll{long}" tabindex="0" role="region" aria-label="{esc(block.title)}">'
        f"<table><caption><span>{esc(block.title)}</span></caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _kind(block: Block, index: int) -> str:
    is_text = index == 0 or block.header[index] in (*_TEXT_COLUMNS, *block.left)
    return ' class="text"' if is_text else ""


def figure(chart: Chart, run: str) -> str:
    """The place of a chart; the script draws the chart."""
    name = f"{run}-{chart.name}"
    wide = " wide" if chart.wide else ""
    return (
        f'<figure class="card chart{wide}"><figcaption><h4>{esc(chart.title)}</h4>'
        f"<p>{esc(chart.lead)}</p></figcaption>"
        f'<div class="plot" id="{esc(name)}" role="img" aria-label="{esc(chart.spoken)}" '
        f'style="height:{chart.height}px"></div></figure>'
    )


def spoilt(summary: RunSummary) -> str:
    """All turns that are not valid, with the reasons; nothing is cut short."""
    turns = Block(
        "Turns that are not valid",
        ("trial", "turn", "reason"),
        tuple(
            (one.trial_id, str(one.turn), one.reason)
            for preset in summary.presets
            for one in preset.invalid
        ),
    )
    trials = Block(
        "Trials that failed",
        ("trial", "status", "reason"),
        tuple(
            (one.trial_id, one.status, one.error or DASH)
            for preset in summary.presets
            for one in preset.failed
        ),
    )
    tables = [table(block) for block in (trials, turns) if block.rows]
    return "".join(tables) or "<p>Every turn is valid, and no trial failed.</p>"


def facts(title: str, pairs: Iterable[tuple[str, object]]) -> str:
    """A list of names and values; unknown values are left out."""
    rows = "".join(
        f"<div><dt>{esc(name)}</dt><dd>{esc(value)}</dd></div>"
        for name, value in pairs
        if value not in (None, "", [], {})
    )
    return f'<div class="card facts"><h4>{esc(title)}</h4><dl>{rows}</dl></div>'


def machine(summary: RunSummary) -> str:
    """The machine, the versions, and the ruler's error."""
    info = summary.info
    where: Mapping[str, Any] = info.get("machine") or {}
    commit = where.get("commit") or {}
    sha = str(commit.get("sha") or "")[:12]
    load = where.get("load_avg") or []
    clicks = summary.calibration_clicks
    error = summary.calibration_error_ms
    plan = info.get("plan") or {}
    return (
        facts(
            "Machine",
            (
                ("name", where.get("name")),
                ("processor", where.get("cpu")),
                ("cores", where.get("cores_allowed") or where.get("cores")),
                ("GPU", where.get("gpu")),
                ("memory", _with_unit(where.get("memory_gb"), "GB")),
                ("system", where.get("system")),
                ("Python", where.get("python")),
                ("load before", " ".join(f"{float(x):.2f}" for x in load)),
                ("commit", sha + (", with changes" if commit.get("dirty") else "")),
            ),
        )
        + facts(
            "Calibration",
            (
                ("largest error", None if error is None else f"{error:.2f} ms"),
                ("clicks heard", None if clicks is None else f"{clicks[0]} of {clicks[1]}"),
                ("state", "idle, before the run" if error is not None else "not calibrated"),
                ("warm-ups kept apart", summary.warmups),
                ("repeats", plan.get("repeats")),
                ("first trial", summary.started_utc),
            ),
        )
        + facts("Versions", sorted((where.get("packages") or {}).items()))
    )


def _with_unit(value: object, unit: str) -> str | None:
    return None if value is None else f"{value} {unit}"


def alerts(summary: RunSummary, cards: Cards) -> list[str]:
    """Warnings that belong before any figure."""
    found = []
    error = summary.calibration_error_ms
    if error is None:
        found.append("The ruler was not calibrated in this run.")
    elif error > MAX_CALIBRATION_MS:
        found.append(
            f"The ruler's own error reached {error:.1f} ms before this run "
            f"(more than {MAX_CALIBRATION_MS:g} ms): the machine was busy."
        )
    failed = sum(len(p.failed) for p in summary.presets)
    if failed:
        found.append(f"{failed} of {sum(p.trials for p in summary.presets)} trials failed.")
    if summary.proposed:
        found.append(proposed_note(summary.proposed))
    if summary.given:
        found.append(given_note(summary.given))
    found += [
        f"{p.preset}: {percent(p.invalid_rate)} of the turns are not valid."
        for p in summary.presets
        if (p.invalid_rate or 0.0) > MUCH_INVALID
    ]
    unheard = [card for card in cards.trials if card.problem]
    if unheard:
        found.append(f"{len(unheard)} recordings can't be played: {unheard[0].problem}")
    return found


def listed(lines: Sequence[str], kind: str) -> str:
    """Sentences as a list; empty without any."""
    if not lines:
        return ""
    return (
        f'<ul class="{kind}">' + "".join(f"<li>{esc(one.strip())}</li>" for one in lines) + "</ul>"
    )
