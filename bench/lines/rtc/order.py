"""What the caller orders of the process that speaks WebRTC: one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Order:
    """One call to be made."""

    url: str
    """Where the offer is posted to."""
    name: str
    """The same for errors: without what may be a key."""
    session: bool = False
    """Whether ``/start`` of the same server is asked for a session first."""
    stun: str = ""
    """STUN server; empty: none is asked."""
    request_data: Mapping[str, Any] = field(default_factory=dict)
    """What the bot gets with the offer, as its body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the HTTP requests."""

    def encode(self) -> bytes:
        """It as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Order:
        """The order that `encode` wrote."""
        return cls(**json.loads(data))
