"""The plan of a run that is resumed, and the lines of agents elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan


def planned_in(run_dir: Path) -> Plan:
    """The plan of a run, with its presets as they were, whatever their files say now.

    Raises:
        LabError: there is none to resume, or it is part of a sweep.
    """
    from bench.runner.kept_plan import kept_plan
    from bench.store import store

    info = store.read_info(run_dir)
    planned = info.get("plan")
    if planned is None:
        why = "its run.json holds no plan, as a sample's" if info else "no run.json"
        raise LabError(f"{run_dir}: there is no run to resume ({why}).")
    if "sweep" in info:
        raise LabError(
            f"{run_dir} is part of a sweep, whose other parts may be played elsewhere: "
            "'duplex-lab sweep' with the same file goes on with it."
        )
    return kept_plan(planned, str(run_dir / "run.json"))


def require_lines(urls: list[str], lines: list[str]) -> None:
    """Refuses an address without its protocol, and names the one that it looks like."""
    if not urls or lines:
        return
    from bench.lines.table import suggested

    likely = suggested(urls[0])
    if likely:
        try_this = f"by its path it may be --line {likely[0]}"
        try_this += f" (or {', '.join(likely[1:])})" if likely[1:] else ""
    else:
        try_this = "raw PCM is --line pcm-websocket"
    raise LabError(
        f"--agent {urls[0]}: name the protocol that it speaks: {try_this}; 'duplex-lab lines' "
        "lists them all."
    )
