"""``duplex-lab capacity``: how many calls at once an agent bears while every limit still holds."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, Row, print_lists
from bench.store.results import RESULTS, new_run_id
from pipelines.errors import LabError

if TYPE_CHECKING:
    from pipelines.spec import PipelineSpec

SLOS = ["voice_to_voice.p95<=800ms", "no_answer<=1%"]
SEATS = 64
"""Conversations at a time that a preset served here may have."""


def capacity(
    agent: Annotated[
        str,
        typer.Option(
            help="Address of the agent, or a preset, which is then served on this machine.",
            metavar="URL|PRESET",
        ),
    ],
    line: Annotated[
        str, typer.Option(help="Protocol of the address; 'duplex-lab lines' explains them.")
    ] = "",
    slo: Annotated[
        list[str] | None,
        typer.Option(
            help="A limit that must hold by its 95 % bound; once for each "
            f"[default: {', '.join(SLOS)}].",
            metavar="LIMIT",
        ),
    ] = None,
    fixtures: Annotated[
        str, typer.Option(help="What callers say: each of these as often as any other.")
    ] = "quick",
    start: Annotated[float, typer.Option(help="Load to begin with, in calls at once.", min=0.5)] = (
        2.0
    ),
    most: Annotated[float, typer.Option(help="Largest load to play.", min=1, max=1000)] = 64.0,
    repeats: Annotated[
        int, typer.Option(help="Times that the load which is found has to hold.", min=1, max=10)
    ] = 2,
    seed: Annotated[str, typer.Option(help="The same seed gives the same calls.")] = "1",
    max_minutes: Annotated[
        float, typer.Option(help="Longest time for all loads together.", min=0.5)
    ] = 60.0,
    greeting_s: Annotated[
        float, typer.Option(help="Longest wait for an agent that speaks first, s.", min=0, max=60)
    ] = 0.0,
    header_from_env: Annotated[
        list[str] | None, typer.Option(help="HTTP header from an environment variable.")
    ] = None,
    allow_remote: Annotated[
        str,
        typer.Option(
            help="Name of the host, if the agent is not on this machine: a load test of others' "
            "servers without their leave is an attack.",
            metavar="HOST",
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default results/<time>-capacity-….")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and its time.")
    ] = False,
) -> None:
    """Find the largest number of calls at once at which every limit holds.

    Calls come at random (Poisson) and wait for nobody. The load doubles until a limit is broken,
    then the distance is halved; a limit holds where its 95 % bound does, so a rate of at most 1 %
    needs 299 turns and a p95 59 calls. The callers' own limit is found first. Every load is kept
    as a preset NAME@LOAD of one run. Exit codes: 0 found; 1 no load held; 2 bad input.
    """
    from bench.capacity.capacity import Asked, find_capacity, verdict
    from bench.capacity.slo import Slo
    from bench.fixtures.library import select
    from bench.report.plots.capacity import png_of
    from bench.store.atomic import atomic_write

    spec = _spec(agent, line, header_from_env or [], greeting_s)
    _require_local(spec.stages["agent"].url, allow_remote)
    asked = Asked(
        spec,
        tuple(select(fixtures)),
        tuple(map(Slo.parse, slo or SLOS)),
        min(start, most),
        most,
        repeats,
        seed,
        max_minutes,
    )
    say = console().say
    say(
        f"{asked.counted} calls a load ({len(asked.fixtures)} fixtures); about "
        f"{asked.planned_s / 60:.0f} min in all if the answer lies near {8 * asked.first:g} calls"
    )
    if dry_run:
        return
    run_dir = out or RESULTS / new_run_id([f"capacity-{spec.name}"])
    found = find_capacity(
        asked, run_dir, lambda text: print(visible(text), file=sys.stderr, flush=True)
    )
    atomic_write(run_dir / "capacity.png", png_of(found.kept))
    print_lists(form, _listing(found.kept), notes=verdict(found))
    say(f"{run_dir}: 'duplex-lab show {run_dir}' has every load; capacity.png is its curve")
    if found.found.most is None:
        raise typer.Exit(1)


def _listing(kept: Mapping[str, Any]) -> Listing:
    """The loads, by load."""
    rows = []
    for level in sorted(kept["levels"], key=lambda one: (one["load"], one["repeat"])):
        limits = {f"{name} {part}": of[part] for name, of in level["slos"].items() for part in of}
        flat = {key: level[key] for key in level if key not in ("slos", "resources")}
        rows.append({**flat, **limits, **level["resources"]})

    def figure(name: str) -> Column:
        def cell(row: Row) -> str:
            value, bound = (_short(row[f"{name} {part}"]) for part in ("value", "bound"))
            return f"{value} ≤ {bound}" if "<=" in name else f"{value} ≥ {bound}"

        return Column(name, cell, is_figure=True)

    columns = (
        Column("load", "load", is_figure=True),
        Column("state", "state"),
        *map(figure, kept["slos"]),
        Column("calls", "calls", is_figure=True),
        Column("open", lambda r: f"{r['mean_open']:.1f}", is_figure=True),
        Column("open at most", "most_open", is_figure=True),
        Column("full", "limit"),
        Column("callers late", "late", is_figure=True),
        Column("callers' CPU a call", lambda r: f"{r['cpu_percent_a_call']:.1f} %", is_figure=True),
    )
    leave = ("callers' CPU a call", "callers late", "open at most", "calls")
    return Listing("loads", columns, tuple(rows), "Loads: each figure with its bound", leave)


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _spec(agent: str, line: str, headers: list[str], greeting_s: float) -> PipelineSpec:
    """The remote preset of an address, or of a preset that is served here."""
    from pipelines.remote.preset import remote_specs

    if "://" in agent:
        (spec,) = remote_specs([agent], [line] if line else [], headers)
        start = ""
    else:
        if line:
            raise LabError(f"--line is for an address; {agent} is a preset, served by 'serve'.")
        from pipelines.spec import load_spec

        name = load_spec(agent).name
        port = _free_port()
        (spec,) = remote_specs([f"ws://127.0.0.1:{port}/v1/stream"], ["stream"], [])
        spec = replace(spec, name=name, title=f"{name}, served by /v1/stream")
        start = (
            f"{sys.executable} -m bench.cli.main serve {agent} --door stream --port {port} "
            f"--seats {SEATS}"
        )
    options = replace(spec.stages["agent"], greeting_s=greeting_s, start=start)
    return replace(spec, stages={**spec.stages, "agent": options})


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _require_local(url: str, allowed: str) -> None:
    """Refuses another's machine unless it is named."""
    host = urlsplit(url).hostname or ""
    if host == allowed:
        return
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if not near:
        raise LabError(
            f"--agent {url}: {host!r} is not this machine; if its owner agrees to a load test, "
            f"add --allow-remote {host}"
        )
