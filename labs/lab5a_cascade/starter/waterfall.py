"""Task 2. Where one answer's milliseconds go: your waterfall, from the marks."""

from pathlib import Path

BARS = ("endpointing delay", "llm", "tts", "output")


def waterfall(marks: list[dict]) -> list[list]:
    """The bars of one turn.

    Args:
        marks: By time; of each its stage, event, ms (after the user's last audible sample),
            request_id, value and text. What every event says: pipelines/marks.py.

    Returns:
        [name, start_ms, end_ms] for each of `BARS`, by the table in README.md.
    """
    # TODO
    return [[name, 0.0, 0.0] for name in BARS]


def draw(path: Path) -> None:
    """Draws the first turns of results/base."""
    from matplotlib.figure import Figure

    from labs.lab5a_cascade.measuring import turns

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    some = [turn for turn in turns(Path("results/base")) if turn.heard_ms is not None]
    for row, turn in enumerate(some):
        for colour, (name, start, end) in enumerate(waterfall(turn.marks)):
            named = "_" if row else name  # in the legend once
            axes.barh(row, end - start, left=start, color=f"C{colour}", label=named)
        named = "_" if row else "heard"
        axes.plot(turn.heard_ms, row, "k|", markersize=18, label=named)
    axes.set_yticks(range(len(some)), [turn.fixture for turn in some])
    axes.set_xlabel("ms after the user's last audible sample")
    figure.legend(loc="outside upper center", ncols=len(BARS) + 1)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    draw(Path("waterfall.png"))
