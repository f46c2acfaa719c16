"""The preset of an agent that is given by its address on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from pipelines.errors import LabError
from pipelines.guards.texts import fit_name, toml_string
from pipelines.spec import PipelineSpec, parse_spec


def remote_spec(url: str, line: str, headers_from_env: Mapping[str, str]) -> PipelineSpec:
    """The preset of an address.

    Args:
        url: Of the agent.
        line: Protocol that it speaks.
        headers_from_env: Header → environment variable.

    Raises:
        SpecError: the address or the line is empty.
    """
    host = urlsplit(url).netloc.rpartition("@")[2]
    headers = "".join(
        f"{toml_string(header)} = {toml_string(name)}\n"
        for header, name in headers_from_env.items()
    )
    text = (
        f"title = {toml_string(f'{host} by {line}')}\n"
        'architecture = "remote"\nkind = "remote"\nweights = "trained"\n'
        f"[agent]\nurl = {toml_string(url)}\nline = {toml_string(line)}\n"
        f"[agent.headers_from_env]\n{headers}"
    )
    return parse_spec(fit_name(f"{line}-{host}".replace(":", "-")), text)


def remote_specs(
    urls: Sequence[str], lines: Sequence[str], headers: Sequence[str]
) -> list[PipelineSpec]:
    """The presets of the addresses on a command line.

    Args:
        urls: Addresses.
        lines: The protocol of each; one is enough where all speak the same.
        headers: ``Header=VARIABLE``, for all of them.

    Raises:
        LabError: an address has no line, or a header no variable.
    """
    if lines and not urls:
        raise LabError("--line needs --agent, the address of the agent that speaks it.")
    if urls and len(lines) not in (1, len(urls)):
        raise LabError(
            f"--line: {len(urls)} --agent need a --line each, or one for all; got {len(lines)}. "
            "'duplex-lab lines' lists them."
        )
    from_env = dict(map(_header, headers))
    each = list(lines) * (len(urls) if len(lines) == 1 else 1)
    specs = [remote_spec(url, line, from_env) for url, line in zip(urls, each, strict=True)]
    return [_numbered(spec, specs, i) for i, spec in enumerate(specs)]


def _numbered(spec: PipelineSpec, specs: Sequence[PipelineSpec], i: int) -> PipelineSpec:
    """The preset, its name numbered where two addresses differ in their paths only."""
    same = [k for k, other in enumerate(specs) if other.name == spec.name]
    return replace(spec, name=f"{spec.name}-{same.index(i) + 1}") if len(same) > 1 else spec


def _header(text: str) -> tuple[str, str]:
    header, is_there, name = text.partition("=")
    if not is_there or not header.strip() or not name.strip():
        raise LabError(
            f"--header-from-env {text}: write Header=VARIABLE, "
            "Authorization=OPENAI_API_KEY for one."
        )
    return header.strip(), name.strip()
