"""Task 2, worked: dominance functions that fall to 1/e within 20 ms outside of a viseme's time."""

import math

REST = [0.0, 0.2, 0.0, 0.7]
REACH_MS = 20.0


def blend(track: list, t_ms: float) -> list[float]:
    """The lips at one moment: [open, wide, round]."""
    total, sums = 0.0, [0.0, 0.0, 0.0]
    for shape, start_ms, end_ms in track:
        outside_ms = max(start_ms - t_ms, t_ms - end_ms, 0.0)
        if outside_ms > 6 * REACH_MS:
            continue
        pull = shape[3] * math.exp(-outside_ms / REACH_MS)
        total += pull
        sums = [s + pull * x for s, x in zip(sums, shape, strict=False)]
    return [s / total for s in sums] if total else REST[:3]
