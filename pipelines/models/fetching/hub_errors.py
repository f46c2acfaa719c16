"""Errors on the way to a file, each as one sentence that says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.models.ids import ModelFilesError
from pipelines.models.paths import VARIABLE
from pipelines.models.sources import Source

AGAIN = "the fetched part is kept, and the same command resumes it"
BAD_TOKEN = (
    "The hub's token holds a character that no token has: set HF_TOKEN again, or repeat "
    "'hf auth login'."
)
BAD_ADDRESS = (
    "The address of {at} can't be used ({cause}): write HF_ENDPOINT, or the manifest's url, as "
    "https://host."
)

BY_NAME: tuple[tuple[str, str], ...] = (
    (
        "GatedRepoError",
        "{at} is gated: accept its conditions at https://huggingface.co/{at}, then log in with an "
        "account that has ('hf auth login', or HF_TOKEN).",
    ),
    (
        "DisabledRepoError",
        "{at} has been disabled by the hub: name another repository in its manifest.",
    ),
    (
        "RevisionNotFoundError",
        "{at} has no revision {revision!r}: correct it in the manifest.",
    ),
    (
        "EntryNotFoundError",
        "{at} has no file {path!r} at {revision}: correct the manifest's files.",
    ),
    (
        "RepositoryNotFoundError",
        "The hub shows no repository {at!r} to you: check the name in the manifest, or, if it is "
        "private, log in ('hf auth login', or HF_TOKEN).",
    ),
    (
        "HFValidationError",
        "The hub's client refuses {at!r} as a repository: write owner/name in the manifest.",
    ),
    (
        "OfflineModeIsEnabled",
        "HF_HUB_OFFLINE forbids to fetch {path!r} of {at}: unset it, and fetch again.",
    ),
    (
        "FileMetadataError",
        "The server that answers for {at} is no hub (its answer on {path!r} lacks the hub's "
        "headers): check HF_ENDPOINT, and any proxy or sign-in page on the way.",
    ),
    (
        "TimeoutException",
        "The server did not answer in time for {path!r} of {at}: try again later; {again}.",
    ),
    (
        "ProxyError",
        "The proxy did not let {path!r} of {at} through: check HTTPS_PROXY; {again}.",
    ),
    (
        "ConnectError",
        "No connection to the server of {at} ({cause}): check the network, or HF_ENDPOINT; "
        "{again}.",
    ),
    ("LocalProtocolError", BAD_TOKEN),
    ("UnsupportedProtocol", BAD_ADDRESS),
    ("InvalidURL", BAD_ADDRESS),
    (
        "TransportError",
        "The connection broke while {path!r} of {at} was coming ({cause}): {again}.",
    ),
    ("UnicodeEncodeError", BAD_TOKEN),
    (
        "TooManyRedirects",
        "The server of {at} sends {path!r} round in circles: check HF_ENDPOINT, or the url.",
    ),
)
"""Name of an exception's class (or of one above it) → sentence; the first match counts."""

BY_STATUS: dict[int, str] = {
    401: "The server refuses the token (401) for {at}: set HF_TOKEN again, or repeat "
    "'hf auth login'.",
    403: "The server forbids {path!r} of {at} (403): the token's account may not read it; accept "
    "the conditions at https://huggingface.co/{at}, or give the token the right to read.",
    404: "There is no {path!r} at {at} (404): correct the manifest.",
    416: "The server has less of {path!r} of {at} than was fetched of it before (416): remove the "
    "half-fetched model ('duplex-lab models remove'), and fetch again.",
    429: "The server of {at} asks for patience (429, too many requests): wait some minutes, and "
    "fetch again; {again}.",
}
"""HTTP status → sentence."""

SERVER = "The server of {at} failed ({status}) on {path!r}: try again later; {again}."


@contextmanager
def explained(source: Source, path: str, revision: str) -> Iterator[None]:
    """Turns any error of the network or the disk into a sentence.

    Raises:
        ModelFilesError: something was raised inside.
    """
    try:
        yield
    except ModelFilesError:
        raise
    except Exception as error:
        text = sentence(error, source, path, revision)
        if text is None:
            raise
        raise ModelFilesError(text) from error


def sentence(error: Exception, source: Source, path: str, revision: str) -> str | None:
    """The sentence; None: the error is not one of the network, the disk or the input."""
    names = [cls.__name__ for cls in type(error).__mro__]
    known = {
        "at": source.at,
        "path": path,
        "revision": revision,
        "again": AGAIN,
        "cause": _cause(error),
    }
    for name, text in BY_NAME:
        if name in names:
            return text.format(**known)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return BY_STATUS.get(status, SERVER).format(**known, status=status)
    if isinstance(error, OSError):
        return disk_sentence(error, path)
    return None


def disk_sentence(error: OSError, path: str) -> str:
    """The sentence for an error of the disk, or for a file shorter than announced."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full in the middle of {path!r}: free some space; {AGAIN}."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{error.filename or path} can't be written ({os.strerror(error.errno)}): correct its "
            f"rights, or name another folder by {VARIABLE}."
        )
    if error.errno is None:  # the client's own: other bytes than announced
        return f"{path!r} came shorter or longer than its server had said: {AGAIN}."
    return f"{error.filename or path}: {error.strerror}; {AGAIN}."


def _cause(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said[:120] if said else type(error).__name__
