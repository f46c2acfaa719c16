"""Groups a duplex model's stream of text into utterances: it has no turns that would end them."""

from __future__ import annotations

from dataclasses import dataclass

GAP_FRAMES = 12
"""Number of frames without text that ends an utterance: about a second, longer than a breath."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Text that the model said in one go."""

    t_ns: int
    """Time of its first piece."""
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
        """True while an utterance goes on."""
        return bool(self._pieces)

    def feed(self, text: str, t_ns: int) -> Utterance | None:
        """Takes a step's piece of text (empty for padding); returns the utterance that it ends, if
        any.
        """
        if text:
            if not self._pieces:
                self._t_ns = t_ns
            self._pieces.append(text)
            self._silent = 0
            return None
        self._silent += 1
        return self.end() if self._pieces and self._silent >= self._gap_frames else None

    def end(self) -> Utterance | None:
        """Ends the open utterance; None if there is none."""
        if not self._pieces:
            return None
        said = Utterance(self._t_ns, "".join(self._pieces).strip())
        self._pieces = []
        return said
