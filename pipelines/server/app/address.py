"""`Address`: where the server listens, by which names it may be called, and its certificate."""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field

from pipelines.errors import LabError
from pipelines.server.access.tls import self_made

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine for itself."""
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that stand for every address of this machine."""
SEND_BYTES = 1 << 16
"""Bytes that wait in the system for a client to take them (the system doubles it): more would hide
for minutes that it does not."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and what it may be called."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0: a free one."""
    hosts: tuple[str, ...] = ()
    """Values of the Host header of a proxy before it, whole."""
    origins: tuple[str, ...] = ()
    """Pages of other addresses that may connect."""
    public_url: str = ""
    """Address by which others reach it, with a proxy before it; empty: its own."""
    secure: ssl.SSLContext | None = field(default=None, repr=False)
    """For https and wss; None: plain HTTP."""

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self.secure else "http"

    @property
    def numbers(self) -> list[str]:
        """IP addresses by which others call it, beside 127.0.0.1."""
        if self.host in EVERYWHERE:
            return [address_in_network()]
        try:
            return [str(ipaddress.ip_address(self.host))]
        except ValueError:
            return []

    @property
    def names(self) -> list[str]:
        """What a Host header may say before the port."""
        if self.is_local:
            return list(dict.fromkeys((*LOOPBACK_NAMES, _bracketed(self.host))))
        others = (self.host, *self.numbers, socket.gethostname())
        return list(dict.fromkeys((*LOOPBACK_NAMES, *map(_bracketed, others))))

    def url(self, port: int) -> str:
        """The address to tell people.

        Args:
            port: On which it listens.
        """
        named = "127.0.0.1" if self.is_local else next(iter(self.numbers), self.host)
        return f"{self.scheme}://{_bracketed(named)}:{port}"

    def secured(self, secure: ssl.SSLContext | None) -> Address:
        """The same with a certificate."""
        return dataclasses.replace(self, secure=secure)

    def listen(self, flag: str = "--port") -> socket.socket:
        """A socket that is bound, and does not take connections yet.

        Args:
            flag: The option that names the port.

        Raises:
            LabError: the port can't be had.
        """
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        try:
            listener.bind((self.host, self.port))
        except OSError as error:
            listener.close()
            wrong = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
            other = "--host, one of this machine's addresses" if wrong else flag
            raise LabError(
                f"the server can't listen at {self.host}:{self.port} ({error.strerror}): choose "
                f"another {other}."
            ) from None
        return listener


def address_in_network() -> str:
    """This machine's address as others in its network see it; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documentation: no packet leaves
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def for_phones(port: int) -> Address:
    """The address of a page for a phone in the same network: a phone gives its microphone only to
    https.

    Args:
        port: 0: a free one.

    Raises:
        LabError: the package cryptography is not installed.
    """
    return Address("0.0.0.0", port, secure=self_made([address_in_network()]))


def _bracketed(host: str) -> str:
    """A host as an address holds it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
