"""Keeps keys out of files and printed text: the values of secret environment variables are struck
out.

Services put their key, or the address that holds it, into their own error texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_SHORTEST = 8
"""A shorter value, ``true`` for instance, is no secret, and would strike out innocent words."""


def secrets(environment: Mapping[str, str] | None = None) -> list[str]:
    """Values of the environment that look secret by their names, the longest first."""
    env = os.environ if environment is None else environment
    found = {v for k, v in env.items() if _NAMES.search(k) and len(v) >= _SHORTEST}
    return sorted(found, key=len, reverse=True)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without the environment's secrets."""
    for secret in secrets(environment):
        text = text.replace(secret, "***")
    return text
