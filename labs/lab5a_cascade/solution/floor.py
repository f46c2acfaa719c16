"""Task 3. The floor: predicted from the stages, then checked against what was heard."""

from pathlib import Path
from statistics import median


def predict_floor(stages: dict[str, list[float]]) -> float:
    """How long a typical answer takes.

    Args:
        stages: Stage → its durations in ms, one of each turn, in the same order.
    """
    return sum(median(durations) for durations in stages.values())


def main() -> None:
    """Prints your prediction beside the recording."""
    from waterfall import waterfall

    from labs.lab5a_cascade.measuring import turns

    stages: dict[str, list[float]] = {}
    heard = []
    for turn in turns(Path("results/base")):
        if turn.heard_ms is not None:
            heard.append(turn.heard_ms)
            for name, start, end in waterfall(turn.marks):
                stages.setdefault(name, []).append(end - start)
    if not heard:
        raise SystemExit("No turn of results/base was answered: see task 1.")
    for name, durations in stages.items():
        print(f"{name:10} {median(durations):7.1f} ms (median)")
    print(f"predicted  {predict_floor(stages):7.1f} ms")
    print(f"heard      {median(heard):7.1f} ms (median)")


if __name__ == "__main__":
    main()
