"""The picture: drawn for any run, with nothing written over anything else."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.metrics.recompute import analyse
from bench.report.plots.latency import draw_report, write_report
from bench.simulated.turns import write_example_run
from bench.stats.quantiles import quantile
from bench.store.atomic import StoreError
from bench.summary.summary import PresetSummary, RunSummary, summarise
from tests.figure_texts import overlaps, texts


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    folder = tmp_path_factory.mktemp("run")
    write_example_run(folder, trials=24)
    return summarise(*analyse(folder))


def with_values(preset: PresetSummary, values: list[float]) -> PresetSummary:
    """The same preset as if it had answered after these times, all of it endpointing delay."""
    medians = {
        name: quantile(values if name == "endpointing_delay" else [], 0.5)
        for name in preset.medians
    }
    return replace(preset, values=tuple(values), p50=quantile(values, 0.5), medians=medians)


def unsplit(preset: PresetSummary) -> PresetSummary:
    """The same preset as if it were one model, frame by frame."""
    return replace(preset, preset="duplex", medians={})


CASES = {
    "example": lambda s: s.presets,
    "one preset": lambda s: s.presets[:1],
    "none": lambda s: (),
    "six presets": lambda s: s.presets * 2,
    "no valid turn": lambda s: (replace(s.presets[0], values=(), p50=quantile([], 0.5)),),
    "few turns": lambda s: (with_values(s.presets[0], [500.0, 620.0]),),
    "negative": lambda s: (with_values(s.presets[0], [-300.0 - i for i in range(30)]),),
    "very slow": lambda s: (with_values(s.presets[1], [3000.0 + i for i in range(30)]),),
    "very fast": lambda s: (with_values(s.presets[1], [40.0 + i for i in range(30)]),),
    "not split": lambda s: (*s.presets[:2], unsplit(s.presets[0])),
    "long name": lambda s: (replace(s.presets[0], preset="cascade-of-a-very-long-name-indeed"),),
}


@pytest.mark.parametrize("case", CASES)
def test_no_text_lies_over_another_or_outside(summary: RunSummary, case: str) -> None:
    figure = draw_report(replace(summary, presets=CASES[case](summary)))
    assert overlaps(figure) == []


def test_the_picture_is_1600_pixels_wide_and_holds_the_figures(
    summary: RunSummary, tmp_path: Path
) -> None:
    path = tmp_path / "report.png"
    write_report(path, summary)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    assert width == 1600
    assert 800 <= height <= 1000
    shown = " ".join(t.get_text() for t in texts(draw_report(summary)))
    for p in summary.presets:
        assert p.p50.value is not None
        assert f"p50 {p.p50.value:.0f} ms" in shown
        assert f"{len(p.values)} of {p.turns} turns" in shown


def test_an_answer_without_parts_is_one_bar_as_long_as_its_median(summary: RunSummary) -> None:
    whole = unsplit(summary.presets[0])
    figure = draw_report(replace(summary, presets=(whole,)))
    from matplotlib.patches import Rectangle

    (bar,) = [one for one in figure.axes[0].patches if one.get_zorder() == 3]
    assert isinstance(bar, Rectangle)
    assert (bar.get_x(), bar.get_width()) == (0, whole.p50.value)
    assert "not split" in {t.get_text() for t in texts(figure)}
    split = draw_report(replace(summary, presets=summary.presets[:1]))
    assert "not split" not in {t.get_text() for t in texts(split)}


def test_turns_beyond_the_axis_are_counted(summary: RunSummary) -> None:
    slow = with_values(summary.presets[0], [400.0 + i for i in range(30)] + [9000.0])
    figure = draw_report(replace(summary, presets=(slow,)))
    assert any("1 slower, up to 9000 ms" in t.get_text() for t in texts(figure))


def test_a_picture_that_can_not_be_written_is_a_sentence(
    summary: RunSummary, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        write_report(tmp_path / "file" / "report.png", summary)
