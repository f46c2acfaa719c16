"""Servers of OpenAI's protocol: whether one answers, and which models it has. Standard library."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

from pipelines.engines.options import OLLAMA_URL, LlmOptions

LOOK_S = 0.5
"""Longest wait for an answer, s: a list of presets must not hang on a server that is not there."""
REFUSED = (401, 403)


def models_at(url: str, key: str = "") -> list[str]:
    """The models of a server.

    Args:
        url: Address of its ``/v1``.
        key: Its key; empty: it needs none.

    Raises:
        OSError: it does not answer, or refuses.
        ValueError: what it answers is no list of models.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{url.rstrip('/')}/models", headers=headers)
    with urllib.request.urlopen(request, timeout=LOOK_S) as response:
        table: Any = json.load(response)
    rows = table.get("data") if isinstance(table, dict) else None
    return [str(row["id"]) for row in rows or () if isinstance(row, dict) and "id" in row]


def lacks(options: LlmOptions) -> str:
    """Why a preset's server can't be used now, one sentence; empty: it can."""
    url = options.url or OLLAMA_URL
    name = options.api_key_variable
    if name and not os.environ.get(name):
        return f"the key in the environment variable {name} is missing."
    try:
        known = models_at(url, os.environ.get(name, "") if name else "")
    except urllib.error.HTTPError as error:
        refuses = "refuses the key" if error.code in REFUSED else f"answers by status {error.code}"
        return f"the server at {url} {refuses}: set 'api_key_variable' or 'url' under [llm]."
    except (OSError, ValueError):
        how = (
            "start it (ollama serve), or set" if options.engine == "ollama" else "start it, or set"
        )
        return f"no server answers at {url}: {how} url under [llm]."
    if known and not _has(known, options.model):
        how = f": ollama pull {options.model}" if options.engine == "ollama" else ""
        return f"the model {options.model!r} is missing on the server at {url}{how}."
    return ""


def _has(known: list[str], model: str) -> bool:
    """Whether a model is among a server's; without a tag Ollama means ``latest``."""
    return model in known or f"{model}:latest" in known
