"""The network of a preset: read from its table, or put under presets by the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.errors import LabError, SpecError
from pipelines.guards.texts import fit_name, toml_string
from pipelines.network.conditions import OWN, Direction, Network, NetworkOptions
from pipelines.network.named import NETWORKS

if TYPE_CHECKING:
    from pipelines.spec import PipelineSpec

NONE = "none"
"""Name of no network, on the command line: the preset as it is."""


def read_network(table: object, where: str) -> Network:
    """The network of a preset's table ``[network]``.

    Args:
        table: The table of the TOML file.
        where: File, for the error's text.

    Raises:
        SpecError: an unknown name or key, or a value out of range.
    """
    from pipelines.spec import did_you_mean, read_options  # spec imports this module

    options = read_options(NetworkOptions, table, f"{where} [network]")
    if options.name:
        if options.up or options.down:
            raise SpecError(
                f"{where} [network]: name = {options.name!r} says both ways: leave it out, or "
                "leave up and down out."
            )
        if options.name not in NETWORKS:
            raise SpecError(
                f"{where} [network]: there is no network {options.name!r}"
                f"{did_you_mean(options.name, NETWORKS)}; known: {', '.join(NETWORKS)}."
            )
        return replace(NETWORKS[options.name], seed=options.seed)
    if not options.up and not options.down:
        raise SpecError(
            f"{where} [network]: give a name ('duplex-lab networks' lists them), or [network.up] "
            "and [network.down]."
        )
    up = read_options(Direction, options.up, f"{where} [network.up]")
    down = read_options(Direction, options.down, f"{where} [network.down]")
    return Network(OWN, up, down, seed=options.seed)


def over_networks(specs: Sequence[PipelineSpec], names: str) -> list[PipelineSpec]:
    """Each preset over each of some networks, under a name of its own.

    Args:
        specs: The presets.
        names: Names of networks, by commas; ``none`` among them: the preset as it is.

    Raises:
        LabError: there is no such network, or a preset has one already.
    """
    from pipelines.spec import did_you_mean

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
    from pipelines.spec import parse_spec

    if name == NONE:
        return spec
    if spec.network is not None:
        raise LabError(
            f"--network {name}: {spec.name} has a network of its own, {spec.network.name}."
        )
    text = f"{spec.toml.rstrip()}\n\n[network]\nname = {toml_string(name)}\n"
    return parse_spec(fit_name(f"{spec.name}-{name}"), text)
