"""The server's routes: the doors, the service's health, its figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from pipelines.server.access.tokens import AccessError
from pipelines.server.doors import table
from pipelines.server.doors.door import RETRY_S, DoorRow, House, admit, token_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


def make_app(house: House, doors: Sequence[DoorRow] | None = None) -> Starlette:
    """The server without its gate.

    Args:
        house: The service, and who may come in.
        doors: Those that are open; None: all that this machine can open.
    """
    from fastapi import FastAPI
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    app = FastAPI(title="duplex-lab", docs_url=None, redoc_url=None, openapi_url=None)
    service = house.service

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        if service.ready:
            return PlainTextResponse("ready\n")
        why = "the server is shutting down" if service.draining else "models are loading"
        return PlainTextResponse(f"{why}\n", 503, {"Retry-After": str(RETRY_S)})

    def guarded(answer: Callable[[], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            try:
                admit(house, token_of(request.headers.get("authorization")))
            except AccessError as error:
                return PlainTextResponse(f"{error}\n", 401, {"WWW-Authenticate": "Bearer"})
            return answer()

        return route

    def metrics() -> Response:
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4")

    def presets() -> Response:
        can = {name: one.as_table() for name, one in service.can().items()}
        return JSONResponse({"presets": service.names, "capabilities": can, "open": service.open})

    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", guarded(metrics))
    app.add_route("/v1/presets", guarded(presets))
    for row in open_doors() if doors is None else doors:
        row.add(app, house)
    return app


def open_doors() -> list[DoorRow]:
    """The doors whose packages are installed."""
    return [row for row in table.rows().values() if not table.lacks(row)]
