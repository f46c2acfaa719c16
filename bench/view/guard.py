"""Who may read the runs: pages of this very server, called by a name of this machine.

A page of another site, open in the same browser, can call any address: by the browser's rules
(Origin), or past them by a name of its own that leads here (Host). Both are looked up in a list
before anything else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from pipelines.server.access.names import hosts

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SCHEME = "http"


@dataclass(frozen=True, slots=True)
class Guard:
    """The rule of one server; `check` is its middleware."""

    names: tuple[str, ...]
    """By which it may be called: ``127.0.0.1``, ``localhost``."""
    port: Callable[[], int]
    """On which it listens, known once it does."""

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through, or refuses it in a sentence."""
        ours = set(hosts(SCHEME, self.names, self.port()))
        if request.headers.getall("Host", []) not in [[host] for host in ours]:
            return _refused(
                HTTPStatus.MISDIRECTED_REQUEST, "this server is not called by that name"
            )
        origins = request.headers.getall("Origin", [])
        if any(origin not in {f"{SCHEME}://{host}" for host in ours} for origin in origins):
            return _refused(HTTPStatus.FORBIDDEN, "only this server's own page may connect")
        return await handler(request)


def _refused(status: HTTPStatus, why: str) -> web.Response:
    return web.Response(status=status, text=why, headers={"Cache-Control": "no-store"})
