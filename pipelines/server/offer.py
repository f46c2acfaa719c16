"""A browser's offer of a call, checked before WebRTC sees it."""

from __future__ import annotations

from typing import Any

from pipelines.guards.texts import parse_json

LARGEST_OFFER = 2**18
"""Bytes; a browser's offer has some 5,000."""


class BodyError(ValueError):
    """What came in is not what is taken here; the text says why."""


def read_offer(body: bytes) -> dict[str, Any]:
    """A browser's offer of a call: ``{"type": "offer", "sdp": "v=0…"}``.

    Raises:
        BodyError: it is none.
    """
    try:
        table = parse_json(body)
    except ValueError as error:
        raise BodyError(f"it is no JSON ({error})") from None
    if not isinstance(table, dict):
        raise BodyError("it is no JSON object")
    if table.get("type") != "offer":
        raise BodyError("its type is not 'offer'")
    sdp = table.get("sdp")
    if not isinstance(sdp, str) or not sdp.startswith("v=0"):
        raise BodyError("its sdp is no session description, which begins with v=0")
    if "opus/48000" not in sdp.lower():
        raise BodyError("its sdp offers no audio in Opus, which every client of WebRTC speaks")
    return {"type": "offer", "sdp": sdp}
