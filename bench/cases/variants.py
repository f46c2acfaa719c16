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
CLERK = Path(__file__).parent / "clerk.toml"
"""Preset of the variants in which every answer waits for a function."""
LOADS_S = 120
"""Longest wait for a server to load its models, s."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the server."""

    name: str
    what: str
    """What it is, or has that its base lacks, in a few words."""
    base: str = ""
    """Variant to which it is compared; empty: it is a base itself."""
    feature: Feature | None = None
    """Cases of this feature are played to it and to its base."""
    config: str = ""
    """Tables of the server's configuration; ``{folder}`` stands for a folder of the run."""
    is_clerk: bool = False
    """True if its language model is the clerk's, in place of the preset's."""


_SLOW = '[skills]\nenabled = true\nwatch = "off"\nmodules = ["bench.cases.clerk:SKILLS"]\n'
_SLOW += "budget_ms = 5000\n"
VARIANTS: tuple[Variant, ...] = (
    Variant("plain", "nothing added"),
    Variant(
        "memory",
        "with memory",
        base="plain",
        feature="memory",
        config='[memory]\nfolder = "{folder}/memory"\nlocal_user = "caller"\n',
    ),
    Variant(
        "tools",
        "with tools, called by the words of the user",
        base="plain",
        feature="tools",
        config='[skills]\nenabled = true\nwatch = "rules"\nfillers = []\n',
    ),
    Variant(
        "slow", "every answer waits for a function", config=f"{_SLOW}fillers = []\n", is_clerk=True
    ),
    Variant(
        "fillers",
        "the same, the wait filled",
        base="slow",
        feature="fillers",
        config=f'{_SLOW}filler_ms = 300\nfillers = ["Let me see.", "One moment."]\n',
        is_clerk=True,
    ),
)
"""All of them; the order is that of the tables."""
FILLERS = ("let me see", "one moment")
"""What fills the waits, as words."""


def variants_of(feature: Feature) -> tuple[Variant, Variant]:
    """The variant that has a feature, its base before it."""
    one = next(variant for variant in VARIANTS if variant.feature == feature)
    return next(variant for variant in VARIANTS if variant.name == one.base), one


def write_config(variant: Variant, preset: str, folder: Path, clerk_port: int) -> Path:
    """Writes the server's configuration of a variant, and returns its path.

    Args:
        variant: The variant.
        preset: What is served, where the variant does not say.
        folder: Folder of the run; made if need be.
        clerk_port: Port of the clerk's server.
    """
    own = (folder / variant.name).resolve()
    own.mkdir(parents=True, exist_ok=True)
    if variant.is_clerk:
        path = own / "clerk.toml"
        url = f"http://127.0.0.1:{clerk_port}/v1"
        path.write_text(CLERK.read_text(encoding="utf-8").replace("{url}", url), encoding="utf-8")
        preset = str(path)
    path = own / "serve.toml"
    text = f'[serve]\npresets = [{toml_string(preset)}]\ndoors = ["stream"]\n'
    path.write_text(text + variant.config.replace("{folder}", str(own)), encoding="utf-8")
    return path


def spec_of(variant: Variant, config: Path, port: int, clerk_port: int) -> PipelineSpec:
    """The preset by which a run starts a variant's server, and calls it."""
    start = [sys.executable, "-m", "bench.cli.main", "serve"]
    start += ["--config", str(config), "--port", str(port)]
    if variant.is_clerk:
        start = [sys.executable, "-m", "bench.cases.clerk", str(clerk_port), *start]
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
