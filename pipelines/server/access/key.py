"""The key of a page that others can call: new at each start, in the address that is printed.

A browser exchanges it for a cookie, and it is gone from the address after that.
"""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pipelines.server.access.names import same

COOKIE = "duplex-lab"
KEY = "key"
"""Parameter of the address that holds the key."""
NEEDED = (
    "open the whole address that duplex-lab printed, or scan its QR code: it holds a key, new at "
    "each start"
)
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class PageKey:
    """Nothing is served without it."""

    text: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    """Stands in the address; of this start only."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What it is exchanged for."""

    @property
    def query(self) -> str:
        """What stands behind the path in the address that is printed."""
        return f"?{KEY}={self.text}"

    def fits(self, scope: MutableMapping[str, Any], port: int) -> bool:
        """Whether a request comes with the cookie.

        Args:
            scope: The request's, as ASGI has it.
            port: On which the server listens.
        """
        return same(_cookies(scope).get(cookie_name(port), ""), self.cookie)

    def exchange(self, scope: MutableMapping[str, Any], port: int) -> Headers | None:
        """The cookie for a request whose address holds the key, and the way to the page without it.

        Args:
            scope: The request's.
            port: On which the server listens.

        Returns:
            Headers of a 303; None where the address does not hold the key.
        """
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if scope["type"] != "http" or not any(
            name == KEY and same(value, self.text) for name, value in query
        ):
            return None
        rest = urlencode([pair for pair in query if pair[0] != KEY])
        page = "/" + str(scope["path"]).lstrip("/")
        # SameSite=Strict would not be sent on the way back from a link elsewhere.
        cookie = f"{cookie_name(port)}={self.cookie}; HttpOnly; Path=/; SameSite=Lax"
        if scope["scheme"] == "https":
            cookie += "; Secure"
        return [
            (b"location", (f"{page}?{rest}" if rest else page).encode("latin-1", "replace")),
            (
                b"set-cookie",
                cookie.encode(),
            ),
            (b"referrer-policy", b"no-referrer"),
        ]


def cookie_name(port: int) -> str:
    """Holds the port: browsers give a host's cookies to all of its servers."""
    return f"{COOKIE}-{port}"


def _cookies(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """The cookies of a request; those that can't be read are none."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                read = SimpleCookie(value.decode("latin-1"))
            except CookieError:
                continue
            found |= {key: morsel.value for key, morsel in read.items()}
    return found
