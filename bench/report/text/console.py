"""The terminal, with colour only where a person sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def console() -> Console:
    """Standard output; rich honours NO_COLOR and turns colour off where it is no terminal."""
    from rich.console import Console

    return Console(highlight=False)
