"""The sidecar over HTTP: JSON, or CBOR where the request says so.

``GET /healthz``, ``GET /readyz``, ``GET /v1/capabilities``, and ``POST /v1/step`` for every op of
the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.guards.texts import parse_json
from pipelines.server.sidecar.contract import MOST_BYTES, Sidecar
from pipelines.wires.error import WireError
from pipelines.wires.messages import base64_bytes, base64_text, json_text

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

CBOR = "application/cbor"
MOST_JSON = MOST_BYTES * 4 // 3 + 1_024
"""Bytes of a request in JSON, whose audio is in base64."""


def make_app(sidecar: Sidecar) -> Starlette:
    """The sidecar's routes."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        health = await sidecar.answer({"op": "health"})
        ready = health["ready"]
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def capabilities(_: Request) -> Response:
        found = await sidecar.answer({"op": "capabilities"})
        return Response(json_text(found), media_type="application/json")

    async def step(request: Request) -> Response:
        in_cbor = request.headers.get("content-type", "").partition(";")[0].strip() == CBOR
        body = await _body(request, MOST_BYTES if in_cbor else MOST_JSON)
        if body is None:
            return PlainTextResponse(f"a request has {MOST_BYTES} bytes at most\n", 413)
        try:
            asked = read_cbor(body) if in_cbor else _read_json(body)
        except WireError as error:
            return PlainTextResponse(f"{error}\n", 400)
        answer = await sidecar.answer(asked)
        status = 200 if answer["ok"] else 400
        if in_cbor:
            return Response(write_cbor(answer), status, media_type=CBOR)
        return Response(json_text(_plain(answer)), status, media_type="application/json")

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/v1/capabilities", capabilities),
            Route("/v1/step", step, methods=["POST"]),
        ]
    )


def read_cbor(body: bytes) -> Any:
    """A value of CBOR, alone in its bytes.

    Raises:
        WireError: it is none, or more follows.
    """
    import io

    import cbor2

    stream = io.BytesIO(body)
    try:
        found = cbor2.CBORDecoder(stream).decode()
    except (cbor2.CBORDecodeError, RecursionError, ValueError, TypeError, MemoryError) as error:
        raise WireError(f"the message is no CBOR ({type(error).__name__})") from None
    if stream.read(1):
        raise WireError("the message goes on after its CBOR")
    return found


def write_cbor(answer: Mapping[str, Any]) -> bytes:
    """An answer in CBOR."""
    import cbor2

    data: bytes = cbor2.dumps(_listed(answer))
    return data


def _listed(value: Any) -> Any:
    """The value with mappings as dicts and tuples as lists; what CBOR can't hold as a text."""
    if isinstance(value, Mapping):
        return {str(key): _listed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(one) for one in value]
    return value if isinstance(value, str | int | float | bytes | None) else str(value)


def _plain(value: Any) -> Any:
    """The value as JSON can hold it: audio in base64."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return base64_text(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _read_json(body: bytes) -> Any:
    """A request in JSON.

    Raises:
        WireError: it is none, or its audio is no base64.
    """
    try:
        found = parse_json(body)
    except ValueError as error:
        raise WireError(f"the request is no JSON ({str(error)[:80]})") from None
    if isinstance(found, dict) and "pcm" in found:
        found["pcm"] = base64_bytes(found["pcm"], "pcm")
    return found


async def _body(request: Request, most: int) -> bytes | None:
    """A request's body; None: it is larger than ``most``, and is not gathered."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    return bytes(body)
