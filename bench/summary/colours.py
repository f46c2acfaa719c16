"""The colours of presets and of stages: one for each name, wherever it is drawn.

A preset's look follows from its name alone, so that it is the same on the page, in the pictures, in
notebooks and over a history, whatever else is shown beside it. Presets and stages have sets of
their own: no colour means both.

Within a set any two colours differ for every kind of colour vision: by 20 or more in CIELAB
(ΔE 1976), each also seen with protanopia, deuteranopia and tritanopia. Dashes and symbols differ
too, for print without colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Shade:
    """A colour of presets."""

    name: str
    light: str
    """``#rrggbb`` on white."""
    dark: str
    """``#rrggbb`` on a dark ground."""


SHADES = (
    Shade("indigo", "#414aa4", "#516ae4"),
    Shade("rose", "#ae406d", "#d64595"),
    Shade("moss", "#668849", "#a4d0a4"),
    Shade("cyan", "#2299b1", "#76e1e6"),
    Shade("ochre", "#ac8622", "#ffcd58"),
    Shade("wine", "#6e002d", "#e12754"),
    Shade("brown", "#654000", "#af6c00"),
    Shade("aubergine", "#422862", "#bf99f1"),
)
"""The colours of presets."""

DASHES = ("solid", "dash", "dot", "dashdot")
"""Dashes of lines, by Plotly's names."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
"""Symbols of points, by Plotly's names."""
MARKS = 12
"""Number of pairs of a dash and a symbol."""

RESERVED = 4
"""Number of colours, the first of `SHADES`, that no name gets but by a row of `CHOSEN`."""

CHOSEN = {
    "cascade-embedded": 0,
    "cascade-stock": 1,
    "duplex-nano": 2,
    "duplex-tiny": 3,
    "cascade-scripted": 4,
    "duplex-scripted-86ms": 5,
    "duplex-scripted-60ms": 6,
    "duplex-oracle": 7,
    "cascade-smart-turn": 4,
    "cascade-vad-600ms": 5,
    "cascade-kyutai": 6,
    "cascade-whisper-llama-piper": 7,
    "cascade-moonshine-llama-kokoro": 5,
    "duplex-scripted-yield": 6,
}
"""Published presets that are compared with each other → index of their colour."""

STAGES = {"encode": "#56b4e9", "step": "#e69f00", "decode": "#009e73", "transport": "#cc79a7"}
"""Stages of a duplex model's frame → their colours, of Okabe and Ito's palette, as those of the
critical path's pieces (``bench.timeline.critical_path.PIECES``)."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a preset is drawn."""

    colour: int
    """Index among `SHADES`."""
    mark: int
    """Number of its dash and symbol."""

    @property
    def light(self) -> str:
        """Its colour on white."""
        return SHADES[self.colour].light

    @property
    def dash(self) -> str:
        """Its lines' dash, one of `DASHES`."""
        return DASHES[self.mark % len(DASHES)]

    @property
    def symbol(self) -> str:
        """Its points' symbol, one of `SYMBOLS`."""
        return SYMBOLS[self.mark % len(SYMBOLS)]


def look(preset: str) -> Look:
    """The look of a preset, by its name alone.

    A name of no row gets one of the colours that are not reserved, by its SHA-256: two such names
    may share a colour, and differ in dash or symbol.
    """
    digest = sha256(preset.encode("utf-8", "surrogatepass")).digest()
    colour = CHOSEN.get(preset, RESERVED + digest[0] % (len(SHADES) - RESERVED))
    return Look(colour, colour if preset in CHOSEN else digest[1] % MARKS)
