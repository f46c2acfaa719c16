"""The run of the cases: an ordinary plan, in which each case is played to its two variants."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from bench.cases.case import Case
from bench.cases.composed import fixture_of
from bench.cases.variants import FILLERS, VARIANTS, Variant, spec_of, variants_of, write_config
from bench.fixtures.fixture import Fixture
from bench.runner.plan import Plan
from bench.store import store
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec, parse_spec

SILENCE_S = 0.8
"""Silence after which an answer is taken to be over, s: these agents answer in one breath."""
CLICKS = 20


def used(cases: Sequence[Case]) -> list[Variant]:
    """The variants to which some cases are played, in the order of the table."""
    wanted = {variant.name for case in cases for variant in variants_of(case.feature)}
    return [variant for variant in VARIANTS if variant.name in wanted]


def make_plan(cases: Sequence[Case], preset: str, folder: Path) -> Plan:
    """A new plan; writes the servers' configurations into ``folder``.

    Args:
        cases: The cases, in the order in which they are played.
        preset: What the servers serve.
        folder: Folder for configurations and memories.
    """
    variants = used(cases)
    ports = _free_ports(2 * len(variants))
    specs = [
        spec_of(variant, write_config(variant, preset, folder, clerk_port), port, clerk_port)
        for variant, port, clerk_port in zip(variants, ports[::2], ports[1::2], strict=True)
    ]
    return _plan(cases, specs)


def planned_in(run_dir: Path, cases: Sequence[Case]) -> Plan:
    """The plan of a run that is there, with its servers' addresses as they were.

    Raises:
        LabError: the folder holds no run of cases, or its cases are no longer these.
    """
    info = store.read_info(run_dir)
    planned = info.get("plan") or {}
    own = planned.get("own")
    if not isinstance(own, dict) or not own:
        raise LabError(f"{run_dir}: there is no run of cases to resume.")
    names = set(planned["fixtures"])
    wanted = [case for case in cases if case.name in names]
    specs = [parse_spec(name, str(text)) for name, text in planned["presets"].items()]
    return _plan(wanted, specs)


def _plan(cases: Sequence[Case], specs: Sequence[PipelineSpec]) -> Plan:
    fixtures: dict[str, Fixture] = {case.name: fixture_of(case, FILLERS) for case in cases}
    own = {
        spec.name: tuple(
            case.name
            for case in cases
            if spec.name in [variant.name for variant in variants_of(case.feature)]
        )
        for spec in specs
    }
    return Plan(
        tuple(specs), tuple(fixtures.values()), 1, own=own, silence_s=SILENCE_S, clicks=CLICKS
    )


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at now."""
    with ExitStack() as stack:
        held = [stack.enter_context(closing(socket.socket())) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in held]
