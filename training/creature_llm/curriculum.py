"""What each training step is made of: half lessons on the scene at first, then mostly dialogues."""

from __future__ import annotations

import random

FIRST_STEPS, FIRST_SHARE, SHARE = 300, 0.5, 0.12
"""So many steps have the first share of lessons, the others the second."""


def curriculum(steps: int, seed: int) -> list[str]:
    """Source of every step: ``lessons`` or ``mixed``; the same beginning for any number."""
    rng = random.Random(seed)
    shares = (FIRST_SHARE if step < FIRST_STEPS else SHARE for step in range(steps))
    return ["lessons" if rng.random() < share else "mixed" for share in shares]
