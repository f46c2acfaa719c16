"""Https for a phone in the same network: a self-signed certificate, the address as a QR code."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.errors import LabError

DAYS = 7


def _missing(name: str) -> LabError:
    return LabError(
        f"--https needs the package {name!r}: install the extra 'talk' "
        "(uv pip install 'duplex-lab[talk]'), or run 'make face', which does."
    )


def context(addresses: Sequence[str], held: bytes | None = None) -> ssl.SSLContext:
    """A server's context with a fresh key and certificate for these IP addresses.

    Args:
        addresses: Addresses of this machine.
        held: Result of `pem`, where another part needs the certificate too.

    Raises:
        LabError: the extra ``talk`` is not installed.
    """
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # it takes only files; gone at once
        path = Path(folder) / "face.pem"
        path.touch(mode=0o600)
        path.write_bytes(held or pem(addresses))
        secure.load_cert_chain(path)
    return secure


def pem(addresses: Sequence[str]) -> bytes:
    """A fresh key and its certificate.

    Raises:
        LabError: the extra ``talk`` is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ModuleNotFoundError:
        raise _missing("cryptography") from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "duplex-lab")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.IPAddress(ipaddress.ip_address(a)) for a in (*addresses, "127.0.0.1")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def qr_code(text: str) -> str:
    """A text as a QR code for a terminal.

    Raises:
        LabError: the extra ``talk`` is not installed.
    """
    import io

    try:
        import segno
    except ModuleNotFoundError:
        raise _missing("segno") from None
    out = io.StringIO()
    segno.make(text, error="m").terminal(out, compact=True)
    return out.getvalue()
