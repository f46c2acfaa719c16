"""TLS for the server: a certificate from files, or one made for this start."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from pipelines.certificate import context
from pipelines.server.access.tokens import AccessError


def from_files(cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context with a certificate from PEM files.

    Args:
        cert: The certificate and its chain.
        key: Its private key, without a password.

    Raises:
        AccessError: a file can't be read, or they don't belong together.
    """
    for flag, path in (("--tls-cert", cert), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise AccessError(
                f"{flag} {path}: can't be read: {error.strerror}; give a PEM file, or --https to "
                "have a certificate made for this start"
            ) from None
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        secure.load_cert_chain(cert, key, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError) as error:
        why = getattr(error, "reason", None) or "no PEM file"
        raise AccessError(
            f"{cert}, {key}: no certificate with its key ({why}): both must be PEM, and belong "
            "together"
        ) from None
    return secure


def self_made(addresses: Sequence[str]) -> ssl.SSLContext:
    """A server's context with a certificate of this start, which nobody has signed.

    Args:
        addresses: IP addresses by which it is called.

    Raises:
        LabError: the package cryptography is not installed.
    """
    return context(addresses)
