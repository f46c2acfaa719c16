"""``duplex-lab calibrate``: the ruler's own error, idle and with an agent at work."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.report.text.console import console
from bench.report.text.listing import Column, Format, Listing, Row, print_lists
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.calibration import Answered, DelayResult

WORDS = 40
_LINES = (
    Column("line", "line"),
    Column("error heard, ms", lambda row: _spread(row, "error_heard"), is_figure=True),
    Column("kept", "kept"),
    Column("aim, ms", lambda row: "{:g} / {:g}".format(*row["aim_ms"]), is_figure=True),
    Column("error in, ms", lambda row: _spread(row, "error_in"), is_figure=True),
    Column("packet ms", "packet_ms", is_figure=True),
    Column("look-ahead ms", "look_ahead_ms", is_figure=True),
    Column("jitter buffer ms", "buffer_ms", is_figure=True),
    Column("n", "n", is_figure=True),
)
_OF_LINES = (
    "error: median / p99 / max of what the fixed delays don't explain; the error heard is that of "
    "a measured latency, and the aim is for its median and p99. packet: audio that is gathered "
    "before it is sent; look-ahead: of the codec, each way; jitter buffer: of the receiver, each "
    "way (aiortc's). They are the protocol's own, and are in every latency of an agent "
    "behind it. No resampler is in the way: both ends are at the protocol's own rate."
)
AIM = "aim: |median| ≤ 0.5 ms, p99 ≤ 2 ms"


def calibrate(
    clicks: Annotated[int, typer.Option(min=20, help="Number of clicks of each delay.")] = 60,
    load: Annotated[
        str, typer.Option(help="Preset that runs in the second half; '' for idle only.")
    ] = "cascade-embedded",
    seed: Annotated[
        int | None, typer.Option(help="Seed; the same seed gives the same phases.")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="A line that the caller dials ('duplex-lab lines'): clicks through that very "
            "protocol on loopback, instead; once for each line."
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Measure the ruler's own error by clicks of known delay, the onset detector's by words.

    error = heard − (stamped write + offset in the chunk). The click agent's own lateness is printed
    apart; delay 0 counts from the end of the chunk that holds the click, so that answer is late by
    its own offset (0–10 ms) too.
    """
    from bench.caller.process import CallerProcess
    from bench.fixtures.library import select
    from bench.machine import description as machine
    from bench.runner.calibration import DELAYS_MS, Calibrator, Load, first_words
    from bench.store.atomic import atomic_write
    from pipelines.spec import load_spec

    rng = random.Random(seed)
    if line:
        _lines(line, clicks, rng, json_file)
        return
    secret_ms = round(rng.uniform(20.0, 700.0), 3)
    chosen = load_spec(load) if load else None
    fixtures = select("clean")
    words = first_words(fixtures, WORDS, load_spec("click").audio.out_rate_hz)
    say = console().say
    found: dict[str, Any] = {"machine": machine.describe(), "seed": seed}
    with CallerProcess() as caller, Calibrator(caller) as calibrator:
        found["caller_priority"] = caller.priority
        say(f"caller's priority: {caller.priority}")
        for state in ("idle", *(["load"] if chosen else [])):
            busy = Load(chosen, fixtures) if chosen and state == "load" else None
            with busy or contextlib.nullcontext():
                delays = [*DELAYS_MS, secret_ms]
                results = [calibrator.clicks(clicks, d, rng.randrange(2**31)) for d in delays]
                spoken = calibrator.words(words, rng.randrange(2**31))
            name = f"while {load} works" if busy else f"idle ({AIM})"
            found[state] = _show(name, results, spoken)
            if busy and busy.error:
                raise LabError(f"The load ended early: {busy.error}.")
    drawn = next(r for r in results if r.delay_ms == secret_ms).answered
    heard_ms = statistics.median(a.delay_ms for a in drawn)
    own_ms = statistics.median(a.delay_ms - a.agent_ms for a in drawn)
    say(
        f"the delay drawn at random: {secret_ms:.3f} ms; read back (median): {heard_ms:.3f} ms, "
        f"{own_ms:.3f} ms without the agent's own stamped lateness"
    )
    if json_file is not None:
        found["secret_ms"] = secret_ms
        atomic_write(json_file, (json.dumps(found, indent=2) + "\n").encode())


def _lines(names: Sequence[str], clicks: int, rng: random.Random, json_file: Path | None) -> None:
    """The fixed delays of each line, and its error beyond them."""
    from bench.caller.mouth import CHUNK_MS
    from bench.caller.process import CallerProcess
    from bench.machine import description as machine
    from bench.runner.line_calibration import calibrate_line
    from bench.store.atomic import atomic_write

    rows: list[dict[str, Any]] = []
    with CallerProcess() as caller:
        for name in names:
            result = calibrate_line(name, caller, clicks, rng.randrange(2**31))
            row = result.row
            rows.append(
                {
                    "line": name,
                    "packet_ms": row.packet_ms or CHUNK_MS,
                    "look_ahead_ms": row.look_ahead_ms,
                    "buffer_ms": row.buffer_ms,
                    "n": result.sent,
                    "error_in": result.arrivals.to_dict(),
                    "error_heard": result.heard.to_dict(),
                    "aim_ms": list(row.aim_ms),
                    "kept": result.holds,
                }
            )
    print_lists(Format.table, Listing("lines", _LINES, tuple(rows)), notes=[_OF_LINES])
    if json_file is not None:
        found = {"machine": machine.describe(), "lines": rows}
        atomic_write(json_file, (json.dumps(found, indent=2) + "\n").encode())


def _spread(row: Row, key: str) -> str:
    found = row[key]
    return f"{found['median_ms']:+.2f} / {found['p99_ms']:.2f} / {found['max_ms']:.2f}"


def _show(name: str, results: Sequence[DelayResult], spoken: Sequence[Answered]) -> dict[str, Any]:
    from bench.runner.calibration import Spread
    from bench.stats.format import Block

    header = ("", "n", "ruler's error ms: median", "p99", "max", "agent late ms: p50", "max")
    cells: list[tuple[str, ...]] = []
    rows = [(f"delay {r.delay_ms:g} ms", r.answered) for r in results]
    rows[-1] = ("delay drawn", rows[-1][1])
    rows.append(("all clicks", tuple(a for r in results for a in r.answered)))
    saved: dict[str, Any] = {}
    for label, answers in rows:
        ruler = Spread.of([a.ruler_ms for a in answers])
        agent = Spread.of([a.agent_ms for a in answers])
        errors = (f"{ruler.median:+.3f}", f"{ruler.p99:.3f}", f"{ruler.max:.3f}")
        late = (f"{agent.median:.2f}", f"{agent.max:.2f}")
        cells.append((label, str(ruler.n), *errors, *late))
        saved[label] = {"ruler": ruler.to_dict(), "agent": agent.to_dict()}
    console().table(Block(name, header, tuple(cells)))
    detector = Spread.of([a.ruler_ms for a in spoken])
    console().say(
        f"onset detector, {detector.n} words: heard − first phone's label: "
        f"median {detector.median:+.1f} ms, p99 {detector.p99:.1f} ms, max {detector.max:.1f} ms "
        "(a stop consonant begins with silence)"
    )
    console().line()
    saved["words"] = {"detector": detector.to_dict()}
    return saved
