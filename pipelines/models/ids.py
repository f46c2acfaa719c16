"""A model's id: ``name@variant``, ``name@sha256:HASH``, or ``name`` where it has one variant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipelines.errors import LabError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH = "sha256:"


class ModelFilesError(LabError):
    """Model files are unknown, missing, damaged, or can't be fetched or kept."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model's id as the user typed it, split into its parts."""

    name: str
    """Name, before the ``@``."""
    variant: str = ""
    """Variant, after it; empty: not given."""
    sha256: str = ""
    """The requested digest (`pipelines.models.manifest.digest_of`); empty: not given."""


def parse_id(text: str) -> ModelId:
    """Reads an id.

    Raises:
        ModelFilesError: it is not one; the text says what one looks like.
    """
    name, at, rest = text.partition("@")
    if not NAME.fullmatch(name):
        raise ModelFilesError(
            f"{text!r} is not a model id: write name@variant or name@sha256:HASH, of letters, "
            "digits, '.', '_' and '-' ('duplex-lab models list' shows them all)."
        )
    if rest.startswith(_HASH):
        wanted = rest.removeprefix(_HASH)
        if not SHA256.fullmatch(wanted):
            raise ModelFilesError(
                f"{text!r}: a SHA-256 is 64 of the characters 0-9 and a-f, and this has "
                f"{len(wanted)} characters: copy the whole of it, in lower case."
            )
        return ModelId(name, sha256=wanted)
    if at and not NAME.fullmatch(rest):
        raise ModelFilesError(
            f"{text!r} is not a model id: after the @ stands a variant, as in {name}@q4, or "
            "sha256:HASH."
        )
    return ModelId(name, variant=rest)
