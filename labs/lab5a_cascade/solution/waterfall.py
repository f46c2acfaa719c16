"""Task 2. Where one answer's milliseconds go: your waterfall, from the marks."""

from pathlib import Path

BARS = ("endpointing delay", "llm", "tts", "output")
VOICE_HZ = 22_050


def waterfall(marks: list[dict]) -> list[list]:
    """The bars of one turn.

    Args:
        marks: By time; of each its stage, event, ms (after the user's last audible sample),
            request_id, value and text. What every event says: pipelines/marks.py.

    Returns:
        [name, start_ms, end_ms] for each of `BARS`, by the table in README.md.
    """

    def first(stage: str, event: str, after: float = 0.0, of: str = "") -> dict:
        """The first such mark at or after a time; of a synthesis, that of one LLM request."""
        return next(
            m
            for m in marks
            if (m["stage"], m["event"]) == (stage, event)
            and m["ms"] >= after
            and m["request_id"].startswith(of)
        )

    cancelled = {m["request_id"] for m in marks if m["event"] == "cancelled"}
    asked = next(
        m
        for m in marks
        if (m["stage"], m["event"]) == ("llm", "request") and m["request_id"] not in cancelled
    )
    release = [m for m in marks if m["event"] == "release" and m["ms"] <= asked["ms"]][-1]
    handed = first("llm", "to_tts", asked["ms"])
    spoken = first("tts", "request", handed["ms"], asked["request_id"])
    byte = first("tts", "first_byte", spoken["ms"], spoken["request_id"])
    audible = first("tts", "first_audible", byte["ms"], spoken["request_id"])
    written = first("link", "write", byte["ms"])
    heard = first("ear", "heard", of=written["request_id"])
    leading_ms = (audible["value"] or 0) / VOICE_HZ * 1000
    return [
        ["endpointing delay", 0.0, release["ms"]],
        ["llm", asked["ms"], handed["ms"]],
        ["tts", spoken["ms"], byte["ms"] + leading_ms],
        ["output", written["ms"], heard["ms"]],
    ]


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
