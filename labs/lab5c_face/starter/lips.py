"""Task 2. Coarticulation: lips that are pulled by what comes before and after."""

REST = [0.0, 0.2, 0.0, 0.7]


def blend(track: list, t_ms: float) -> list[float]:
    """The lips at one moment: [open, wide, round], each 0–1.

    Args:
        track: ([open, wide, round, weight], start_ms, end_ms) of each viseme, by time.
        t_ms: The moment.

    The starter snaps from one shape to the next. Blend instead: a weighted mean of all visemes
    near, where each pulls with its weight inside its own time, and less and less outside of it.
    Where none is near, the lips are at REST.
    """
    # TODO
    for shape, start_ms, end_ms in track:
        if start_ms <= t_ms < end_ms:
            return shape[:3]
    return REST[:3]
