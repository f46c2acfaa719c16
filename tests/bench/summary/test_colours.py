"""Colours: one for each name, told apart by everybody, presets and stages apart."""

from itertools import combinations

import numpy as np
import pytest

from bench.summary.colours import CHOSEN, RESERVED, SHADES, STAGES, look
from bench.timeline.critical_path import PIECES

VISION = {
    "any": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Linear RGB as it is → as it is seen: Machado, Oliveira and Fernandes 2009, severity 1."""
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
ON_WHITE, ON_DARK = "#ffffff", "#171b20"


def linear(colour):
    """(3,) linear RGB of ``#rrggbb``."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(colour, vision="any"):
    """(3,) CIELAB of a colour as somebody sees it."""
    seen = np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)
    ratio = TO_XYZ @ seen / WHITE
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    light, dark = sorted((TO_XYZ[1] @ linear(c) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_ruler_of_this_test_knows_white_and_black():
    assert lab("#ffffff") == pytest.approx([100, 0, 0], abs=0.02)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_any_two_colours_of_presets_are_told_apart(vision, ground):
    seen = [lab(getattr(shade, ground), vision) for shade in SHADES]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 20


def test_every_colour_of_a_preset_is_seen_on_its_ground():
    assert min(contrast(shade.light, ON_WHITE) for shade in SHADES) > 3
    assert min(contrast(shade.dark, ON_DARK) for shade in SHADES) > 3


def test_presets_and_stages_have_no_colour_in_common():
    stages = {*STAGES.values(), *(piece.colour for piece in PIECES if piece.colour)}
    near = [np.linalg.norm(lab(stage) - lab(shade.light)) for stage in stages for shade in SHADES]
    assert min(near) > 20


def test_a_preset_s_look_is_that_of_its_name_and_its_neighbours_change_nothing():
    assert look("cascade-embedded").light == "#414aa4"
    assert look("cascade-stock").light == "#ae406d"
    assert look("duplex-nano").light == "#668849"
    assert look("duplex-tiny").light == "#2299b1"
    assert look("my-bot") == look("my-bot")


def test_presets_that_are_compared_first_have_colours_that_no_other_name_gets():
    others = {look(f"bot-{i}").colour for i in range(300)}
    assert others == set(range(RESERVED, len(SHADES)))
    assert [CHOSEN[name] for name in list(CHOSEN)[:RESERVED]] == list(range(RESERVED))


def test_names_that_share_a_colour_differ_in_dash_or_symbol_as_a_rule():
    looks = [look(f"bot-{i}") for i in range(200)]
    same = [(a, b) for a, b in combinations(looks, 2) if a.colour == b.colour]
    alike = sum((a.dash, a.symbol) == (b.dash, b.symbol) for a, b in same)
    assert alike / len(same) == pytest.approx(1 / 12, abs=0.02)


def test_a_name_of_any_script_has_a_look():
    assert look("猫-\ud800").light in {shade.light for shade in SHADES}
