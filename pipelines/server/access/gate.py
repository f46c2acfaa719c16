"""The gate before every door: by which name the server is called, and from which page. ASGI.

A page of another site, open in the same browser, can call any address: by the browser's rules
(Origin), or past them by a name of its own that leads here (Host). Both are looked up in a list
before anything else. A client that is no browser sends no Origin. A page that others can call, and
that asks nobody for a token, needs its key besides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from pipelines.server.access.key import NEEDED, PageKey
from pipelines.server.access.names import hosts

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RETRY_AFTER = b"5"
"""Seconds after which a client that found the server full may try again."""


class Gate:
    """Refuses foreign names and origins, and everybody once the server is full.

    Args:
        app: What lies behind.
        names: By which the server may be called.
        port: On which it listens, known once it does.
        hosts: More values of the Host header, whole: of a proxy before it.
        origins: Pages of other addresses that may connect; its own always may.
        scheme: ``http`` or ``https``.
        free: Whether one more connection can be served.
        key: Without which nothing is served; None: none is needed.
    """

    def __init__(
        self,
        app: App,
        names: Iterable[str],
        port: Callable[[], int],
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        scheme: str = "http",
        free: Callable[[], bool] = lambda: True,
        key: PageKey | None = None,
    ) -> None:
        self._app = app
        self._names = tuple(names)
        self._port = port
        self._more = tuple(host.lower() for host in hosts)
        self._origins = frozenset(origins)
        self._scheme = scheme
        self._free = free
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or refuses it in a sentence."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif refusal := self._refusal(scope):
            await _refuse(scope, receive, send, *refusal)
        elif self._key is not None and (way := self._key.exchange(scope, self._port())):
            await _refuse(scope, receive, send, 303, "", way)
        elif self._key is not None and not self._key.fits(scope, self._port()):
            await _refuse(scope, receive, send, 403, NEEDED)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence; None: it may come in."""
        ours = {*self._more, *hosts(self._scheme, self._names, self._port())}
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1 or given[0].lower() not in ours:
            return 421, "this server is not called by that name (serve --name adds one)"
        own = {f"{self._scheme}://{host}" for host in ours}
        own |= {f"https://{host}" for host in self._more}
        for name, value in scope["headers"]:
            origin = value.decode("latin-1").lower()
            if name == b"origin" and origin not in own and origin not in self._origins:
                return 403, "pages of other sites may not connect (serve --origin adds one)"
        if scope["type"] == "websocket" and not self._free():
            return 503, "the server is full: try again in a few seconds"
        return None


async def _refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    why: str,
    more: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answers by a status and a sentence; of a WebSocket, before it is opened."""
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # the connect
        kind = "websocket.http.response"
    body = f"{why}\n".encode() if why else b""
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    if status == 503:
        headers.append((b"retry-after", RETRY_AFTER))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
