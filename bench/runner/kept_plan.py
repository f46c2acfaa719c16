"""A plan read back from what a run keeps of it: `Plan.identity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.caller.plan import SILENCE_AFTER_AGENT_S
from bench.fixtures.library import select
from bench.runner.plan import Plan
from pipelines.errors import LabError
from pipelines.guards.texts import fit_name
from pipelines.spec import parse_spec


def kept_plan(identity: Mapping[str, Any], where: str) -> Plan:
    """The plan with presets as they were, whatever their files say now.

    Args:
        identity: `Plan.identity`.
        where: The file that it stands in, for messages.

    Raises:
        LabError: it can't be understood, or a fixture is not here.
    """
    try:
        presets, names = identity["presets"].items(), ",".join(identity["fixtures"])
        repeats, only = int(identity["repeats"]), dict(identity.get("only", {}))
        own = {str(name): tuple(of) for name, of in identity.get("own", {}).items()}
        wait_s = float(identity.get("wait_s", 0.0))
        silence_s = float(identity.get("silence_s", SILENCE_AFTER_AGENT_S))
        first = int(identity.get("first_repeat", 0))
        again = int(identity.get("first_again", 0))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LabError(
            f"{where}: its plan can't be understood, so that the run can't be gone on with: begin "
            "a new one."
        ) from None
    specs = tuple(parse_spec(fit_name(name), str(toml)) for name, toml in presets)
    return Plan(
        specs,
        tuple(select(names)),
        repeats,
        only,
        own,
        wait_s,
        silence_s,
        first_repeat=first,
        first_again=again,
    )
