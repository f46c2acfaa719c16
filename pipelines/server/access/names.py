"""By which names a server may be called: what a Host header may say."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

PORTS = {"http": 80, "https": 443}
"""Ports that an address may leave out."""


def hosts(scheme: str, names: Iterable[str], port: int) -> Iterator[str]:
    """Every value of a Host header that leads here.

    Args:
        scheme: ``http`` or ``https``.
        names: Names and numbers of the machine.
        port: On which the server listens.
    """
    for name in names:
        yield f"{name}:{port}"
        if port == PORTS[scheme]:
            yield name


def same(given: str, right: str) -> bool:
    """Whether two secrets are equal; how long that takes says nothing of where they differ."""
    return secrets.compare_digest(
        given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    )
