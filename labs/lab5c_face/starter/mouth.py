"""Task 1. How far the mouth is open: from the audio of each 80 ms frame."""

import numpy as np


def openness(pcm: np.ndarray) -> float:
    """0 (closed) to 1 (wide open) for one frame of int16 samples.

    Use the frame's RMS. Silence (RMS at or below −45 dBFS) is 0, a full voice (at or above
    −15 dBFS) is 1, and a voice between them lies between. 0 dBFS is an RMS of 32768.
    """
    # TODO
    return 0.0


def smooth(values: list[float]) -> list[float]:
    """The openings of successive frames, made to move like a mouth.

    A mouth opens within a frame or two and closes more slowly. The first frame starts from a
    closed mouth. Keep 0–1; where the input stays, the output gets there.
    """
    # TODO
    return values
