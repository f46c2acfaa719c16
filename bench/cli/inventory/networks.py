"""``duplex-lab networks``: the networks that a run can put between user and agent."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.report.text.console import console
from bench.report.text.listing import FORMAT_HELP, Column, Format, Listing, print_lists
from pipelines.errors import LabError

COLUMNS = (
    Column("network", "network"),
    Column("what it stands for", "what"),
    Column("user → agent", "up"),
    Column("agent → user", "down"),
)


def networks(
    name: Annotated[
        str, typer.Argument(help="A network: its numbers and their source.", show_default="all")
    ] = "",
    form: Annotated[Format, typer.Option("--format", help=FORMAT_HELP)] = Format.table,
) -> None:
    """List the named networks, with what they do to packets and where their numbers come from."""
    from pipelines.network.named import NETWORKS
    from pipelines.spec import did_you_mean

    if name and name not in NETWORKS:
        raise LabError(
            f"There is no network {name!r}{did_you_mean(name, NETWORKS)}; known: "
            f"{', '.join(NETWORKS)}."
        )
    rows = tuple(
        {
            "network": row.name,
            "what": row.what,
            "up": row.up.text(),
            "down": row.down.text(),
            "source": row.source,
        }
        for row in NETWORKS.values()
        if name in ("", row.name)
    )
    notes = ["Their sources: duplex-lab networks NAME. Your own: [network.up], [network.down]."]
    print_lists(form, Listing("networks", COLUMNS, rows), notes=[] if name else notes)
    if name and form == "table":
        console().say(f"Source: {rows[0]['source']}.")
