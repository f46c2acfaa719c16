"""Puts the report page together: one HTML file with its styles, its script, Plotly and the audio.

Nothing is fetched when it is opened: a policy in the page forbids everything that the page does not
hold, and runs only the scripts whose hashes it names, so that no text from a run can become code.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from bench.report.capacity import listing, verdict
from bench.report.page import markup
from bench.report.page.audio import vorbis
from bench.report.page.chart import Chart
from bench.report.page.charts import Series, ecdf, heard_and_logged, pareto, series
from bench.report.page.charts_capacity import capacity_charts
from bench.report.page.charts_critical import critical_bars
from bench.report.page.charts_duplex import frame_charts
from bench.report.page.charts_playout import Swept, playout, playout_table, replayed
from bench.report.page.known_causes import known_causes
from bench.report.page.tiles import slow_turns, stage_blocks, tiles
from bench.report.page.turns import STATUSES, Cards, cards
from bench.report.text.causes import cause_blocks
from bench.report.text.table import blocks, notes
from bench.store.atomic import atomic_write
from bench.store.recording import Stereo
from bench.store.records import CauseRow, MetricRow, Trial
from bench.store.store import Run
from bench.summary.colours import SHADES, STAGES, look
from bench.summary.summary import RunSummary, summarise
from bench.timeline.critical_path import PIECES
from bench.timeline.replay import Stream, stream_of
from pipelines.marks import Mark

AUDIO = ("embed", "beside", "none")
"""Places for recordings: in the page, in a folder beside it, or nowhere."""
SERVED = "served"
"""Place of recordings that a server makes when they are asked for."""
FOLDER = "report_audio"
SCRIPTS = ("page.js", "water.js", "turns.js")
"""The page's own script, in this order."""

Tell = Callable[[str], None]
"""Takes a line that reports progress."""


@dataclass(frozen=True, slots=True)
class Input:
    """A run to report."""

    run: Run
    rows: Sequence[MetricRow]
    causes: Sequence[CauseRow] | None = ()
    """The known causes of its turns; None where they were never computed."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A run's part of the page."""

    number: int
    summary: RunSummary
    cards: Cards
    charts: tuple[Chart, ...]
    swept: Mapping[str, Swept]
    """The playout replay of each preset."""
    audio: tuple[str | None, ...]
    """Recording of each trial: base64 of its Vorbis, or the address of the file beside the page."""


def write_page(path: Path, inputs: Sequence[Input], audio: str, tell: Tell) -> int:
    """Writes the page, whole or not at all.

    Args:
        path: The ``.html`` to write.
        inputs: At least one run.
        audio: One of `AUDIO`.
        tell: Takes lines that report progress.

    Returns:
        Its size in bytes, without what lies beside it.

    Raises:
        StoreError: a file can't be written.
    """
    parts = [_part(n, one, audio, path.parent / FOLDER, tell) for n, one in enumerate(inputs)]
    tell("putting the page together")
    data = render(parts, embedded=audio == "embed").encode()
    atomic_write(path, data)
    return len(data)


def served_page(given: Input, home: str, tell: Tell) -> str:
    """A run's page for a server that has the recordings: at ``audio/TRIAL.ogg``, as `vorbis` makes.

    Args:
        given: The run.
        home: Address of the list of runs.
        tell: Takes lines that report progress.
    """
    return render([_part(0, given, SERVED, Path(), tell)], embedded=False, home=home)


def _part(number: int, given: Input, audio: str, folder: Path, tell: Tell) -> _Part:
    run = given.run
    waiting: dict[str, Future[bytes]] = {}
    workers = ThreadPoolExecutor(max_workers=os.cpu_count())  # encoding releases the GIL

    streams: dict[str, list[Stream]] = {}

    def take(trial: Trial, marks: Sequence[Mark], recording: Stereo | None) -> None:
        if recording is not None and audio in ("embed", "beside"):
            waiting[trial.trial_id] = workers.submit(vorbis, recording, trial.rate_hz)
        stream = stream_of(sorted(marks, key=lambda mark: mark.t_ns), trial.rate_hz)
        if stream is not None:
            streams.setdefault(trial.preset, []).append(stream)

    def told(done: int, total: int, what: str) -> None:
        tell(f"{run.run_id}: trial {done} of {total} {what}".rstrip())

    with workers:
        summary = summarise(run, given.rows, given.causes)
        found = cards(run, given.rows, take, told, known_causes(given.causes or ()))
        tell(f"{run.run_id}: charts and playout replay")
        order = [p.preset for p in summary.presets]
        swept = replayed({preset: streams[preset] for preset in order if preset in streams})
        charts = (*_charts(summary, found, number), *playout(swept))
        tell(f"{run.run_id}: recordings as Vorbis")
        sound = {name: one.result() for name, one in waiting.items()}
    kept: dict[str, str] = {}
    if audio == SERVED:
        kept = {t.trial_id: f"audio/{t.trial_id}.ogg" for t in found.trials if not t.problem}
    for name, data in sound.items():
        if audio == "embed":
            kept[name] = base64.b64encode(data).decode("ascii")
        else:
            kept[name] = f"{FOLDER}/{number}-{name}.ogg"
            atomic_write(folder / f"{number}-{name}.ogg", data)
    by_trial = tuple(kept.get(trial.trial_id) for trial in found.trials)
    return _Part(number, summary, found, charts, swept, by_trial)


def _charts(summary: RunSummary, found: Cards, number: int) -> Iterator[Chart]:
    yield critical_bars(summary)
    yield from capacity_charts(summary.info.get("capacity"))
    if of_turns := series(summary, found, number):
        yield ecdf("ecdf", of_turns)
    for chart in (heard_and_logged(summary, found, number), pareto(summary)):
        if chart is not None:
            yield chart
    yield from frame_charts([p for p in summary.duplex if p.conversations])


# HTML


def render(parts: Sequence[_Part], *, embedded: bool, home: str = "") -> str:
    """The whole page as text, with a link to the list of runs if it has an address."""
    import plotly.offline  # type: ignore[import-untyped]

    script = "\n".join(_asset(name) for name in SCRIPTS)
    plotly_js = plotly.offline.get_plotlyjs()
    together = _together(parts)
    charts = {f"all-{chart.name}": _drawn(chart) for chart in together}
    for part in parts:
        charts |= {f"r{part.number}-{chart.name}": _drawn(chart) for chart in part.charts}
    data = {
        "charts": charts,
        "statuses": STATUSES,
        "pieces": {p.name: p.label for p in PIECES if not p.is_gap} | {"gap": "hand-over gap"},
        "runs": [
            {
                "presets": {p.preset: look(p.preset).colour for p in part.summary.presets},
                "trials": part.cards.trials,
                "turns": part.cards.turns,
                "audio": [
                    None if sound is None else f"a{part.number}-{i}" if embedded else sound
                    for i, sound in enumerate(part.audio)
                ],
            }
            for part in parts
        ],
    }
    title = "duplex-lab report"
    if len(parts) == 1:
        title = f"{parts[0].summary.run_id} – {title}"
    return Template(_asset("page.html")).substitute(
        title=markup.esc(title),
        hashes=" ".join(_hash(one) for one in (plotly_js, script)),
        css=colours() + _asset("page.css"),
        nav=(f'<a href="{markup.esc(home)}">Runs</a>' if home else "") + "".join(_nav(parts)),
        all="".join(_all(together)),
        runs="".join(_section(part, alone=len(parts) == 1) for part in parts),
        audio="".join(_sounds(parts)) if embedded else "",
        data=markup.script_json(data),
        plotly=plotly_js,
        js=script,
    )


def colours() -> str:
    """The colours of stages and presets, as variables of the page's styles."""
    stages = {p.name: p.colour for p in PIECES if not p.is_gap} | STAGES
    light, dark = (
        " ".join(f"--p{i}: {getattr(shade, ground)};" for i, shade in enumerate(SHADES))
        for ground in ("light", "dark")
    )
    fixed = " ".join(f"--{name}: {colour};" for name, colour in stages.items())
    return (
        f":root {{ {fixed} {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ "
        f':root:not([data-theme="light"]) {{ {dark} }} }}\n'
        f'@media screen {{ :root[data-theme="dark"] {{ {dark} }} }}\n'
    )


def _asset(name: str) -> str:
    return files("bench.report.page").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _drawn(chart: Chart) -> dict[str, Any]:
    return {"data": chart.data, "layout": chart.layout}


def _together(parts: Sequence[_Part]) -> list[Chart]:
    """The charts of all runs together; empty where there is only one run."""
    if len(parts) == 1:
        return []
    found: list[Series] = []
    for part in parts:
        found += series(part.summary, part.cards, part.number, f"{part.number + 1}: ")
    return [ecdf("ecdf", found)] if found else []


def _nav(parts: Sequence[_Part]) -> Iterator[str]:
    if len(parts) > 1:
        yield '<a href="#all">All runs</a>'
        for part in parts:
            yield f'<a href="#r{part.number}">Run {part.number + 1}</a>'
        return
    for name, title in SECTIONS.items():
        if name not in ("frames", "capacity") or _of(parts[0], name):
            yield f'<a href="#r0-{name}">{title}</a>'


def _all(together: Sequence[Chart]) -> Iterator[str]:
    if together:
        yield '<section id="all" aria-labelledby="all-h"><h2 id="all-h">All runs</h2>'
        yield '<div class="charts">'
        yield from (markup.figure(chart, "all") for chart in together)
        yield "</div></section>"


SECTIONS = {
    "headline": "Headline",
    "capacity": "Capacity",
    "latency": "Latency",
    "turns": "Turns",
    "frames": "Frames",
    "playout": "Playout",
    "spoilt": "What does not count",
    "machine": "Machine",
    "tables": "All tables",
}
"""Sections of a run, and their titles."""
_CHARTS = {
    "capacity": ("capacity",),
    "latency": ("ecdf", "logged", "pareto"),
    "frames": ("gaps", "gap-times", "stages", "backlog"),
    "playout": ("underruns", "delay"),
}
"""Section → its charts' names, or the beginnings of names."""


def _of(part: _Part, section: str) -> str:
    wanted = _CHARTS[section]
    found = [c for c in part.charts if c.name.split("-")[0] in wanted or c.name in wanted]
    figures = "".join(markup.figure(chart, f"r{part.number}") for chart in found)
    return f'<div class="charts">{figures}</div>' if figures else ""


def _section(part: _Part, *, alone: bool) -> str:
    """A run's part of the page."""
    n, summary = part.number, part.summary
    tables = blocks(summary)
    bars = next(c for c in part.charts if c.name == "critical")
    content = {
        "headline": markup.listed(markup.alerts(summary, part.cards), "alerts")
        + tiles(summary)
        + slow_turns(summary, part.cards, n)
        + markup.figure(bars, f"r{n}")
        + "".join(
            markup.table(block) for block in (*stage_blocks(summary), *cause_blocks(summary.causes))
        )
        + markup.table(tables[0]),
        "capacity": _capacity(part),
        "latency": _of(part, "latency"),
        "turns": f'<div class="turns" data-run="{n}"></div>',
        "frames": _of(part, "frames"),
        "playout": _of(part, "playout") + markup.table(playout_table(part.swept))
        if part.swept
        else "",
        "spoilt": markup.spoilt(summary),
        "machine": f'<div class="columns">{markup.machine(summary)}</div>',
        "tables": "".join(markup.table(block) for block in tables[1:])
        + markup.listed(notes(summary), "notes"),
    }
    inner = "".join(
        f'<section id="r{n}-{name}" aria-labelledby="r{n}-{name}-h">'
        f'<h3 id="r{n}-{name}-h">{SECTIONS[name]}</h3>{html}</section>'
        for name, html in content.items()
        if html
    )
    where = (summary.info.get("machine") or {}).get("cpu") or "unknown machine"
    when = summary.started_utc.replace("T", " ")[:16] or "unknown time"
    heading = f"Run {n + 1}" if not alone else "Voice to voice, as heard"
    return (
        f'<section class="run" id="r{n}" aria-labelledby="r{n}-h"><h2 id="r{n}-h">{heading}</h2>'
        f'<p class="meta">{markup.esc(when)} UTC · {markup.esc(where)} · '
        f"<code>{markup.esc(summary.run_id)}</code></p>{inner}</section>"
    )


def _capacity(part: _Part) -> str:
    """The result of a search for a capacity; empty of any other run."""
    kept = part.summary.info.get("capacity")
    if not kept:
        return ""
    told = markup.listed(verdict(kept), "notes")
    return told + _of(part, "capacity") + markup.table(listing(kept).block())


def _sounds(parts: Sequence[_Part]) -> Iterator[str]:
    """The recordings, each in an element of its own: they are decoded when played."""
    for part in parts:
        for i, sound in enumerate(part.audio):
            if sound is not None:
                yield f'<script type="text/plain" id="a{part.number}-{i}">{sound}</script>\n'
