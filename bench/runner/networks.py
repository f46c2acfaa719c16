"""Presets put over networks by the command line: one more preset for each."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.errors import LabError
from pipelines.guards.texts import fit_name, toml_string
from pipelines.network.named import NETWORKS
from pipelines.spec import PipelineSpec, did_you_mean, parse_spec

NONE = "none"
"""Name of no network, on the command line: the preset as it is."""


def over_networks(specs: Sequence[PipelineSpec], names: str) -> list[PipelineSpec]:
    """Each preset over each of some networks, under a name of its own.

    Args:
        specs: The presets.
        names: Names of networks, by commas; ``none`` among them: the preset as it is.

    Raises:
        LabError: there is no such network, or a preset has one already.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        return list(specs)
    for name in wanted:
        if name != NONE and name not in NETWORKS:
            raise LabError(
                f"--network: there is no network {name!r}{did_you_mean(name, NETWORKS)}; known: "
                f"{NONE}, {', '.join(NETWORKS)} ('duplex-lab networks' says what they do)."
            )
    return [_over(spec, name) for spec in specs for name in dict.fromkeys(wanted)]


def _over(spec: PipelineSpec, name: str) -> PipelineSpec:
    if name == NONE:
        return spec
    if spec.network is not None:
        raise LabError(
            f"--network {name}: {spec.name} has a network of its own, {spec.network.name}."
        )
    text = f"{spec.toml.rstrip()}\n\n[network]\nname = {toml_string(name)}\n"
    return parse_spec(fit_name(f"{spec.name}-{name}"), text)
