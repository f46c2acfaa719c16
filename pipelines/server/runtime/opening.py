"""From the options of a server to what it does beside its conversations."""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pipelines.errors import LabError
from pipelines.guards.texts import toml_string
from pipelines.server.runtime.conduct import Conduct
from pipelines.server.runtime.levels import LEVELS, needs_gb
from pipelines.server.runtime.options import PolicyOptions, WarmthOptions
from pipelines.server.runtime.policy import policy_of_lines
from pipelines.server.runtime.remote import RemoteBackend
from pipelines.server.runtime.runtime import Runtime, is_address
from pipelines.server.session.forms import STEP_MODELS
from pipelines.server.skills.options import SkillOptions
from pipelines.server.skills.registry import Registry
from pipelines.server.skills.shipped import shipped
from pipelines.server.skills.skill import Skill
from pipelines.spec import PipelineSpec, load_spec, parse_spec


def runtime_of(
    served: Sequence[PipelineSpec],
    skills: SkillOptions,
    policy: PolicyOptions,
    warmth: WarmthOptions,
    level: int = LEVELS[-1].number,
) -> Runtime:
    """What the server does beside its conversations.

    Args:
        served: The presets that can be asked for.
        skills: ``[skills]``.
        policy: ``[policy]``.
        warmth: ``[warmth]``.
        level: The hardware's, where the options name none.

    Raises:
        LabError: a preset or a skill is unknown, or wrong.
    """
    conduct = Conduct(
        policy=policy_of_lines(policy.rules),
        late_s=policy.late_s if policy.fallback else 0.0,
        sentence=policy.sentence,
        context_tokens=policy.context_tokens,
        fillers=skills.fillers,
        filler_ms=skills.filler_ms,
        greeting=warmth.greeting,
    )
    if policy.token_env:
        _check_sealed(policy.fallback)
    names = {spec.name for spec in served}
    for name in policy.fallback:
        if "://" in name and not is_address(name):
            raise LabError(
                f"[policy] fallback: {name}: an address of another such server begins with wss:// "
                "or ws://."
            )
    others = [n for n in policy.fallback if not is_address(n) and n not in (*names, *STEP_MODELS)]
    spare = [load_spec(name) for name in dict.fromkeys(others)]
    paid = [s.name for s in (*served, *spare) if s.architecture == "hosted"]
    paid += [name for name in policy.fallback if is_address(name)]
    return Runtime(
        conduct=conduct,
        fallback=policy.fallback,
        spare=[watched(spec, skills) for spec in spare],
        registry=registry_of(skills) if skills.enabled else None,
        budget_tokens=dict.fromkeys(paid, policy.budget_tokens) if policy.budget_tokens else {},
        level=level if policy.level < 0 else policy.level,
        needs_gb={spec.name: needs_gb(spec) for spec in (*served, *spare)},
        connect=partial(RemoteBackend, token_env=policy.token_env),
    )


def _check_sealed(chain: Sequence[str]) -> None:
    """Refuses to send a token where others could read it.

    Raises:
        LabError: an address of another machine is no wss://.
    """
    for name in chain:
        if name.startswith("ws://") and not _is_here(urlsplit(name).hostname or ""):
            raise LabError(
                f"[policy] fallback: {name}: the token would be sent unencrypted; give a wss:// "
                "address, or leave --policy-token-env out."
            )


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def registry_of(options: SkillOptions) -> Registry:
    """The skills that ship, and the server's own.

    Raises:
        LabError: a module has none, or one is wrong.
    """
    found = shipped()
    for path in options.modules:
        rows = _loaded(path)
        rows = [rows] if isinstance(rows, Skill) else rows
        if not isinstance(rows, Sequence) or not all(isinstance(row, Skill) for row in rows):
            raise LabError(f"[skills] modules: {path} is no list of skills.")
        found += rows
    return Registry(
        [replace(one, budget_ms=min(one.budget_ms, options.budget_ms)) for one in found]
    )


def _loaded(path: str) -> Any:
    """What a module of a user's own gives.

    Raises:
        LabError: there is no such module, or importing it fails.
    """
    module, _, name = path.partition(":")
    if not module or not name.isidentifier():
        raise LabError(f"[skills] modules: {path!r}: write MODULE:NAME, as my_skills:SKILLS.")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise LabError(
                f"[skills] modules: there is no module {module!r} on Python's path; PYTHONPATH "
                "names the folders beside the installed packages."
            ) from error
        raise LabError(f"[skills] modules: {path} needs {error.name!r}: install it.") from error
    except Exception as error:  # whatever the code of others may raise
        why = " ".join(str(error).split())
        raise LabError(
            f"[skills] modules: {path} can't be loaded: {type(error).__name__}: {why}."
        ) from error


def watched(spec: PipelineSpec, options: SkillOptions) -> PipelineSpec:
    """A preset with the intent watcher that the options ask for, where it has none of its own."""
    own = spec.stages.get("watch")
    if not options.enabled or options.watch == "off" or own is None or own.intents != "off":
        return spec
    if "[watch]" in spec.toml:
        return spec  # it says 'off' itself
    planner = f"planner = {toml_string(options.planner)}\n" if options.planner else ""
    text = f'{spec.toml.rstrip()}\n\n[watch]\nintents = "{options.watch}"\n{planner}'
    return parse_spec(spec.name, text)
