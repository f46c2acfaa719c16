"""What to do about a bot that can't import what it needs: a package, an extra, another Pipecat."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable

_EXTRA = re.compile(r"pipecat-ai\[([a-z0-9,_-]+)\]")
"""The extras that Pipecat names in its log, ``pipecat-ai[webrtc]``."""


def mend_of(error: BaseException, logged: Iterable[str] = ()) -> str:
    """What a failed import says, and what to do: a piece of a sentence; empty for other errors.

    Args:
        error: What the import raised.
        logged: What Pipecat logged as errors meanwhile.
    """
    version = importlib.metadata.version("pipecat-ai")
    if extra := _extra_of(error, logged):
        return (
            f"needs Pipecat's extra {extra!r}, which is not installed: run "
            f"uv pip install 'pipecat-ai[{extra}]=={version}' in the environment of duplex-lab"
        )
    if not isinstance(error, ImportError):
        return ""
    module = error.name or ""
    if module.partition(".")[0] == "pipecat":
        missing = (
            f"no module {module}"
            if isinstance(error, ModuleNotFoundError)
            else f"no {_wanted(error)} in {module}"
        )
        return (
            f"is written for another version of Pipecat: the installed {version} has {missing}; "
            f"port the bot to {version}"
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f"needs the package {module!r}, which is not installed: install what the bot needs "
            "into the environment of duplex-lab"
        )
    return ""


def _extra_of(error: BaseException, logged: Iterable[str]) -> str:
    """The extra that Pipecat names in its log before it raises ``Missing module: …``."""
    if "Missing module" not in str(error):
        return ""
    named = [found for text in logged for found in _EXTRA.findall(text)]
    return named[-1] if named else ""


def _wanted(error: ImportError) -> str:
    """The name that was to be imported."""
    found = re.search(r"cannot import name '([^']+)'", str(error))
    return found[1] if found else "such name"
