"""The plan of a run that is resumed, and the lines of agents elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.runner.plan import Plan


def planned_in(run_dir: Path) -> Plan:
    """The plan of a run, with its presets as they were, whatever their files say now."""
    from bench.caller.plan import SILENCE_AFTER_AGENT_S
    from bench.fixtures.library import select
    from bench.runner.plan import Plan
    from bench.store import store
    from pipelines.guards.texts import fit_name
    from pipelines.spec import parse_spec

    info = store.read_info(run_dir)
    planned = info.get("plan")
    if planned is None:
        why = "its run.json holds no plan, as a sample's" if info else "no run.json"
        raise LabError(f"{run_dir}: there is no run to resume ({why}).")
    try:
        presets, names = planned["presets"].items(), ",".join(planned["fixtures"])
        repeats, only = int(planned["repeats"]), dict(planned.get("only", {}))
        own = {str(name): tuple(of) for name, of in planned.get("own", {}).items()}
        wait_s = float(planned.get("wait_s", 0.0))
        silence_s = float(planned.get("silence_s", SILENCE_AFTER_AGENT_S))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LabError(
            f"{run_dir / 'run.json'}: its plan can't be understood, so that the run can't be gone "
            "on with: begin a new one."
        ) from None
    specs = tuple(parse_spec(fit_name(name), str(toml)) for name, toml in presets)
    return Plan(specs, tuple(select(names)), repeats, only, own, wait_s, silence_s)


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
