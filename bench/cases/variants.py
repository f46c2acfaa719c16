"""With what the cases are played: one row a variant of the server, and what it is compared to."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cases.case import Feature
from pipelines.guards.texts import toml_string
from pipelines.spec import PipelineSpec, parse_spec

PRESET = "cascade-embedded"
"""Preset behind the server, unless another is named."""
LOADS_S = 120
"""Longest wait for a server to load its models, s."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the server."""

    name: str
    what: str
    """What it has that the base lacks, in a few words."""
    base: str = ""
    """Variant to which it is compared; empty: it is a base itself."""
    feature: Feature | None = None
    """Cases of this feature are played to it and to its base."""
    config: str = ""
    """Tables of the server's configuration; ``{folder}`` stands for a folder of the run."""


VARIANTS: tuple[Variant, ...] = (
    Variant("plain", "nothing added"),
    Variant(
        "memory",
        "with memory",
        base="plain",
        feature="memory",
        config='[memory]\nfolder = "{folder}/memory"\nlocal_user = "caller"\n',
    ),
    Variant("tools", "with tools", base="plain", feature="tools", config="[skills]\n"),
    Variant(
        "fillers", "with tools and fillers", base="tools", feature="fillers", config="[skills]\n"
    ),
)
"""All of them; the order is that of the tables."""


def variants_of(feature: Feature) -> tuple[Variant, ...]:
    """The variant that has a feature, and its base before it."""
    one = next((v for v in VARIANTS if v.feature == feature), None)
    if one is None:
        return (VARIANTS[0],)
    return next(v for v in VARIANTS if v.name == one.base), one


def write_config(variant: Variant, preset: str, folder: Path) -> Path:
    """Writes the server's configuration of a variant, and returns its path.

    Args:
        variant: The variant.
        preset: What is served.
        folder: Folder of the run; made if need be.
    """
    own = (folder / variant.name).resolve()
    own.mkdir(parents=True, exist_ok=True)
    path = own / "serve.toml"
    text = f'[serve]\npresets = [{toml_string(preset)}]\ndoors = ["stream"]\n'
    path.write_text(text + variant.config.replace("{folder}", str(own)), encoding="utf-8")
    return path


def spec_of(variant: Variant, config: Path, port: int) -> PipelineSpec:
    """The preset by which a run starts a variant's server, and calls it."""
    start = [sys.executable, "-m", "bench.cli.main", "serve"]
    start += ["--config", str(config), "--port", str(port)]
    agent: Mapping[str, str] = {
        "url": toml_string(f"ws://127.0.0.1:{port}/v1/stream"),
        "line": '"stream"',
        "start": toml_string(shlex.join(start)),
        "start_timeout_s": str(LOADS_S),
        "greeting_s": "0",
    }
    text = (
        f"title = {toml_string(f'server, {variant.what}')}\n"
        'architecture = "remote"\nkind = "remote"\nweights = "trained"\n\n[agent]\n'
        + "".join(f"{key} = {value}\n" for key, value in agent.items())
    )
    return parse_spec(variant.name, text)
