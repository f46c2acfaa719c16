"""The common abilities of fake peers, whatever their line.

The module of a line on which the caller dials has ``serving(play)``, which yields the address; of
one on which the agent connects, ``playing(path, play)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

RATE_HZ = 24_000
"""Rate of the audio that fake peers send."""


class Peer(Protocol):
    """An agent's end of a line, connected to the caller."""

    def wait_for_chunk(self, k: int) -> None:
        """Reads until the caller has sent chunk ``k``, or has hung up."""

    def speak(self, pcm: bytes) -> int | None:
        """Sends audio, int16 at the rate of the peer's module.

        Returns:
            Time at which its first sample was handed out, ns, where the peer's own grid decides
            that; None: at once.
        """


Play = Callable[[Peer], None]
"""The agent's part in one conversation; it hangs up when the function returns."""
