"""The voices: one for the agent, many for users, and families that no training ever hears.

A voice is a synthesiser's voice with its tempo, pitch and size changed. Held out are flite's slt
and espeak-ng's family f1 … f5, with all their changes; sealed, for one judgement at the end, are
eight other variants of espeak-ng's, in two accents that nobody else has.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

FLITE_TRAINING = ("kal16", "awb", "rms")
FLITE_HELD_OUT = ("slt",)
ESPEAK_TRAINING = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "Alex", "Alicia", "Andrea", "Andy", "Annie",
    "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario",
    "Michael", "Mike", "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris",
    "caleb", "david", "ed", "edward", "grandma", "grandpa", "iven", "iven2", "john", "linda",
    "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob",
    "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "zac",
    "Storm", "RicishayMax", "edward2", "iven3", "iven4", "mike2",
)  # fmt: skip
ESPEAK_WOMEN = (
    "Alicia", "Andrea", "Annie", "anika", "aunty", "belinda", "grandma", "linda", "steph", "steph2",
    "steph3",
)  # fmt: skip
"""Those of the training's that espeak-ng calls female."""
ESPEAK_SEALED = ("klatt", "klatt2", "klatt3", "klatt4", "Nguyen", "Reed", "gustave", "kaukovalta")
ESPEAK_HELD_OUT = ("f1", "f2", "f3", "f4", "f5")
ACCENTS = (
    "en-us",
    "en-us",
    "en-us",
    "en-us",
    "en-gb-x-rp",
    "en-gb-x-gbcwmd",
    "en-gb-scotland",
    "en-029",
)
ACCENTS_SEALED = ("en-us-nyc", "en-gb-x-gbclan")
FLITE_SHARE = 0.45
"""Of the user's utterances; the fixtures' voices are flite's."""
PLAIN_SHARE = 0.25
"""Of a user's draws, unchanged; the fixtures' voices are so."""
WOMEN = 0.4
"""Of a training user's changed draws: made smaller and higher, as women are beside men. Flite has
no woman but slt, who is held out."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A synthesiser's voice, and how it is changed."""

    engine: str
    """flite or espeak."""
    base: str
    """The engine's own name, e.g. ``rms`` or ``en-us+m3``."""
    tempo: float = 1.0
    """How much faster than by nature."""
    pitch: float = 1.0
    """How much higher than by nature, the synthesiser's own way."""
    size: float = 1.0
    """How much higher pitch and formants are together: below 1 a larger speaker."""

    @property
    def key(self) -> str:
        """A name of its own, e.g. ``flite.rms.t100.p100.s100`` (per cent)."""
        changes = zip("tps", (self.tempo, self.pitch, self.size), strict=True)
        percents = (f"{letter}{round(100 * value)}" for letter, value in changes)
        return ".".join([self.engine, self.base, *percents])

    @property
    def held_out(self) -> bool:
        """Whether it belongs to a family that no training hears."""
        name = self.base.rsplit("+", 1)[-1]
        held = FLITE_HELD_OUT if self.engine == "flite" else ESPEAK_HELD_OUT + ESPEAK_SEALED
        return name in held


AGENT = Voice("flite", "rms")
"""The one voice that the model speaks with."""


def draw_user(rng: random.Random, held_out: bool = False) -> Voice:
    """A user's voice: flite or espeak-ng, as it is or changed."""
    plain = rng.random() < PLAIN_SHARE
    if not held_out and not plain and rng.random() < WOMEN:
        return draw_woman(rng)
    if rng.random() < FLITE_SHARE:
        base = rng.choice(FLITE_HELD_OUT if held_out else FLITE_TRAINING)
        voice = Voice("flite", base)
        pitches, sizes = ((0.8, 1.2) if held_out else (0.8, 1.7)), (0.88, 1.2)
    else:
        variant = rng.choice(ESPEAK_HELD_OUT if held_out else ESPEAK_TRAINING)
        voice = Voice("espeak", f"{rng.choice(ACCENTS)}+{variant}")
        pitches, sizes = (0.75, 1.35), (0.9, 1.12)
    return voice if plain else _changed(rng, voice.engine, voice.base, pitches, sizes)


def draw_woman(rng: random.Random) -> Voice:
    """A training voice with a shorter vocal tract, and up to twice as high."""
    if rng.random() < FLITE_SHARE:
        base = rng.choice(FLITE_TRAINING)
        return _changed(rng, "flite", base, (1.2, 1.75), (1.08, 1.25))
    if rng.random() < 0.5:
        base = f"{rng.choice(ACCENTS)}+{rng.choice(ESPEAK_WOMEN)}"
        return _changed(rng, "espeak", base, (0.9, 1.3), (0.95, 1.15))
    base = f"{rng.choice(ACCENTS)}+{rng.choice(ESPEAK_TRAINING)}"
    return _changed(rng, "espeak", base, (1.2, 1.8), (1.05, 1.22))


def draw_sealed(rng: random.Random) -> Voice:
    """A voice of the sealed family: a quarter as they are, the others deeper or higher."""
    base = f"{rng.choice(ACCENTS_SEALED)}+{rng.choice(ESPEAK_SEALED)}"
    if rng.random() < PLAIN_SHARE:
        return Voice("espeak", base)
    high = rng.random() < 0.5
    pitches, sizes = ((1.3, 1.8), (1.05, 1.2)) if high else ((0.75, 1.3), (0.9, 1.05))
    return _changed(rng, "espeak", base, pitches, sizes)


def _changed(
    rng: random.Random,
    engine: str,
    base: str,
    pitches: tuple[float, float],
    sizes: tuple[float, float],
) -> Voice:
    """The voice with another tempo, and a pitch and a size between these limits."""
    return Voice(
        engine,
        base,
        tempo=round(rng.uniform(0.85, 1.2), 2),
        pitch=round(rng.uniform(*pitches), 2),
        size=round(rng.uniform(*sizes), 2),
    )
