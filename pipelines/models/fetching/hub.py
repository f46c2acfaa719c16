"""Files over HTTP by `huggingface_hub`: the server's facts about them, and their bytes, resumed.

The library provides the addresses, the token from its usual place, redirects, retries and errors; a
half-fetched file is ours, because the library's own download discards half a file when it fails.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.models.fetching.hub_errors import explained
from pipelines.models.ids import SHA256, ModelFilesError
from pipelines.models.sources import Source

Advance = Callable[[int], None]
"""Takes the number of bytes of the file that are there."""

PIECE = 1 << 18
"""Bytes that are written at a time: a broken connection loses at most this, where the library's own
10 MB would be fetched again."""
_GIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Remote:
    """The facts that a server gives about one file."""

    path: str
    url: str
    bytes: int | None = None
    """Size; None: the server does not say."""
    sha256: str = ""
    """SHA-256, which the hub gives for large files; empty if not given."""
    git_sha1: str = ""
    """SHA-1 of git's header and the bytes, which the hub gives for small files."""
    commit: str = ""
    """The commit that the file belongs to."""

    @property
    def identity(self) -> str:
        """Distinguishes two files of one name: a half-fetched one is resumed only if it matches."""
        return (self.sha256 or self.git_sha1 or self.commit or "any")[:12]


def look(source: Source, paths: list[str], revision: str) -> list[Remote]:
    """Asks for the facts about files, without fetching them; all are of one commit.

    Args:
        source: A repository, or a plain address (which is not asked).
        paths: Paths of the files.
        revision: The commit, tag or branch to ask for.

    Raises:
        ModelFilesError: the server can't be reached, or refuses; one sentence.
    """
    if source.kind == "url":
        return [Remote(path, source.url_of(path)) for path in paths]
    hub = client()
    found: list[Remote] = []
    for path in paths:
        at = found[0].commit if found else revision
        url = hub.hf_hub_url(source.at, path, revision=at)
        with explained(source, path, at):
            said = hub.get_hf_file_metadata(url)
        etag, commit = str(said.etag or ""), str(said.commit_hash or "")
        if not _GIT.fullmatch(commit):
            raise ModelFilesError(
                f"{endpoint()} does not say which commit {source.at}/{path} is of, so it is no "
                "hub: check HF_ENDPOINT, and any proxy or sign-in page on the way."
            )
        found.append(
            Remote(
                path,
                hub.hf_hub_url(source.at, path, revision=commit),
                said.size,
                etag if SHA256.fullmatch(etag) else "",
                etag if _GIT.fullmatch(etag) else "",
                commit,
            )
        )
    return found


def download(source: Source, remote: Remote, part: Path, size: int | None, tell: Advance) -> None:
    """Fetches a file into ``part``, from where the last attempt left it.

    Args:
        source: The source; a token is sent to the hub only.
        remote: The file.
        part: The partial file; its bytes are kept, and the fetch goes on after them.
        size: Size of the whole file, where it is known.
        tell: Takes the progress.

    Raises:
        ModelFilesError: it broke off; what has come is kept in ``part``.
    """
    hub = client()
    headers = {"Accept-Encoding": "identity"}  # of a compressed answer no part can be asked for
    if source.kind == "hub":
        headers |= hub.utils.build_hf_headers(library_name="duplex-lab")
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have > size:
        part.unlink()
        have = 0
    with explained(source, remote.path, remote.commit), part.open("ab") as file:
        hub.file_download.http_get(
            remote.url,
            _Counted(file, tell),
            resume_size=have,
            headers=headers,
            expected_size=size,
            displayed_filename=remote.path,
            tqdm_class=_NoBar,
        )


def client() -> Any:
    """The library, set up for us.

    Raises:
        ModelFilesError: it is not installed.
    """
    # Xet fetches in pieces that can't be resumed from a file; plain HTTP serves every repository.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    try:
        hub = importlib.import_module("huggingface_hub")
        for part in ("constants", "file_download", "utils"):  # it imports them on demand
            importlib.import_module(f"huggingface_hub.{part}")
    except ImportError as error:
        raise ModelFilesError(
            f"Fetching models needs the package {error.name or 'huggingface_hub'!r}, which is not "
            "installed: run 'make setup', or pip install huggingface-hub."
        ) from None
    hub.utils.logging.set_verbosity_error()  # what matters comes as one sentence
    hub.constants.DOWNLOAD_CHUNK_SIZE = PIECE
    return hub


def endpoint() -> str:
    """The hub's address: ``$HF_ENDPOINT``, or the public one."""
    return str(client().constants.ENDPOINT)


def has_token() -> bool:
    """True if a token lies in one of its usual places."""
    try:
        return bool(client().get_token())
    except (OSError, ValueError):
        return False


class _Counted:
    """A file that reports its length."""

    def __init__(self, file: Any, tell: Advance) -> None:
        self._file = file
        self._tell = tell

    def write(self, data: bytes) -> int:
        """Writes, and reports."""
        written: int = self._file.write(data)
        self._tell(self._file.tell())
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _NoBar:
    """Replaces the library's progress bar: ours counts written bytes."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.n = 0

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float = 1) -> None:
        """Takes every piece; the library calls it."""

    def close(self) -> None:
        """Ends the bar."""
