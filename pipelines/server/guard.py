"""Who may speak to the server: by the address that they called, their page's, and a key.

A page of another site, open in the same browser, can call any address: by the browser's rules
(Origin), or past them by a name of its own that leads here (Host). So both are looked up in a list
before anything else. Beyond this machine a key is needed too, new at each start: it stands in the
address that is printed, is exchanged for a cookie, and is gone from the address after that.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COOKIE = "duplex-lab"
KEY = "key"
"""Parameter of the address that holds the key."""
PORTS = {"http": 80, "https": 443}
"""Ports that an address may leave out."""


def same(given: str, right: str) -> bool:
    """Whether two secrets are equal; how long that takes says nothing of where they differ."""
    return secrets.compare_digest(
        given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule of one server; `check` is its middleware."""

    scheme: str
    """``http`` or ``https``."""
    names: tuple[str, ...]
    """By which it may be called: ``127.0.0.1``, ``localhost``, this machine's address."""
    port: Callable[[], int]
    """On which it listens, known once it does."""
    needs_key: bool = False
    """Whether nothing is served without the key: where others can call it."""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    """Stands in the address; of this start only."""
    _cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What the key is exchanged for."""

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through, or refuses it in a sentence."""
        hosts = set(_hosts(self.scheme, self.names, self.port()))
        if request.headers.getall("Host", []) not in [[host] for host in hosts]:
            return _refused(
                HTTPStatus.MISDIRECTED_REQUEST, "this server is not called by that name"
            )
        origins = request.headers.getall("Origin", [])
        if any(origin not in {f"{self.scheme}://{host}" for host in hosts} for origin in origins):
            return _refused(HTTPStatus.FORBIDDEN, "only this server's own page may connect")
        if not self.needs_key:
            return await handler(request)
        if same(request.query.get(KEY, ""), self.key):
            return self._exchanged()
        if not same(request.cookies.get(self.cookie_name, ""), self._cookie):
            return _refused(
                HTTPStatus.FORBIDDEN,
                "open the whole address that duplex-lab printed, or scan its QR code: it holds a "
                "key, new at each start",
            )
        return await handler(request)

    @property
    def cookie_name(self) -> str:
        """Holds the port: browsers give a host's cookies to all of its servers."""
        return f"{COOKIE}-{self.port()}"

    def _exchanged(self) -> web.Response:
        """The key's cookie, and the way to the page without the key in its address."""
        answer = web.Response(status=HTTPStatus.SEE_OTHER)
        answer.headers["Location"] = "/"
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.set_cookie(
            self.cookie_name,
            self._cookie,
            httponly=True,
            secure=self.scheme == "https",
            samesite="Lax",  # Strict would not be sent on the way back from a link elsewhere
            path="/",
        )
        return answer


def _hosts(scheme: str, names: Iterable[str], port: int) -> Iterable[str]:
    """What a Host header may say."""
    for name in names:
        yield f"{name}:{port}"
        if port == PORTS[scheme]:
            yield name


def _refused(status: HTTPStatus, why: str) -> web.Response:
    return web.Response(status=status, text=why, headers={"Cache-Control": "no-store"})
