"""Groups a duplex model's stream of text into utterances: it has no turns that would end them."""

from __future__ import annotations

from dataclasses import dataclass

GAP_FRAMES = 12
"""Frames without text that end an utterance: about a second, longer than a pause for breath."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What the model said in one go."""

    t_ns: int
    """When its first piece was there."""
    text: str
    """Its pieces, joined."""


class Utterances:
    """One session's text, step by step."""

    def __init__(self, gap_frames: int = GAP_FRAMES) -> None:
        self._gap_frames = gap_frames
        self._pieces: list[str] = []
        self._t_ns = 0
        self._silent = 0

    @property
    def open(self) -> bool:
        """Whether an utterance goes on."""
        return bool(self._pieces)

    def feed(self, text: str, t_ns: int) -> Utterance | None:
        """Takes a step's piece of text (empty for padding); returns what came to its end by it."""
        if text:
            if not self._pieces:
                self._t_ns = t_ns
            self._pieces.append(text)
            self._silent = 0
            return None
        self._silent += 1
        return self.end() if self._pieces and self._silent >= self._gap_frames else None

    def end(self) -> Utterance | None:
        """Ends what goes on; None if nothing does."""
        if not self._pieces:
            return None
        said = Utterance(self._t_ns, "".join(self._pieces).strip())
        self._pieces = []
        return said
