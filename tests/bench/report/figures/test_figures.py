"""Figures for a paper: each panel alone, vectors only, fonts inside, in mm, nothing overlapped."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.metrics.compute import compute
from bench.report.figures import frames, latency
from bench.report.figures.panel import WIDTHS, Format, Material, Panel, drawn, encoded, letters
from bench.report.figures.write import write_figures
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import write_example_run
from bench.store.atomic import StoreError
from bench.store.store import read_metrics, read_run, save_recording, write_metrics, write_trial
from bench.summary.summary import summarise
from tests.figure_texts import overlaps, texts

SVG = "{http://www.w3.org/2000/svg}"
LONG = "cascade-with-a-name-of-sixty-characters-and-one-more-for-luck"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three cascades and two duplex models."""
    found = tmp_path_factory.mktemp("run")
    write_example_run(found, trials=4)
    for preset, ms in (("duplex-60ms", 60.0), ("duplex-86ms", 86.0)):
        trial, marks, pcm = duplex_trial_of(DuplexPlan(150, (ms,)), preset=preset)
        path = save_recording(found, trial.trial_id, pcm, trial.rate_hz)
        write_trial(found, replace(trial, recording=path), marks)
    write_metrics(found, compute(read_run(found)))
    return found


@pytest.fixture(scope="module")
def material(folder: Path) -> Material:
    rows = read_metrics(folder)
    return Material(summarise(read_run(folder), rows), rows)


def panels(material: Material) -> Sequence[Panel]:
    return [*latency.PANELS, *frames.PANELS, *frames.stage_panels(material)]


def test_no_text_lies_over_another_in_any_panel_and_width(material: Material) -> None:
    first, *others = material.summary.presets
    answers = next(p for p in others if p.p50.value is not None)
    long = replace(answers, preset=LONG)
    unsplit = replace(answers, preset="duplex-nano", medians={})
    awkward = replace(
        material,
        summary=replace(material.summary, presets=(*others, first, long, unsplit)),
        rows=[*material.rows, *(replace(r, preset="猫" * 60) for r in material.rows[:60])],
    )
    for panel in panels(awkward):
        for width in WIDTHS:
            assert overlaps(drawn(panel, awkward, width)) == [], (panel.name, width.name)


def test_the_panels_hold_the_figures_of_the_table(material: Material) -> None:
    figure = drawn(latency.PANELS[0], material, WIDTHS[0])
    shown = {text.get_text() for text in texts(figure)}
    for preset in material.summary.presets:
        if preset.p50.value is not None:
            assert preset.preset in shown
            assert any(t.startswith(f"{preset.p50.value:.0f}") and f"n {preset.p50.n}" in t
                       for t in shown)  # fmt: skip


def test_each_panel_is_a_file_of_each_width_named_for_what_it_shows(
    folder: Path, tmp_path: Path
) -> None:
    said = CliRunner().invoke(
        app, ["report", str(folder), "--figures", "svg", "--out", str(tmp_path)]
    )
    assert said.exit_code == 0
    names = {path.name for path in tmp_path.iterdir()}
    shows = ["where-the-milliseconds-go", "voice-to-voice-spread", "heard-minus-logged",
             "time-between-frames", "audio-that-waits", "playout-silence", "playout-delay",
             "frame-stages-duplex-60ms", "frame-stages-duplex-86ms"]  # fmt: skip
    assert names == {f"{s}_{w}.svg" for s in shows for w in ("column-89mm", "page-183mm")}
    assert said.output.count(" kB\n") == len(names)
    for path in tmp_path.iterdir():
        svg_is_fit(path.read_bytes(), 89 if "column" in path.name else 183)


def test_a_pdf_holds_its_fonts_and_no_raster(material: Material, tmp_path: Path) -> None:
    summary = replace(material.summary, duplex=())
    paths = write_figures(tmp_path, summary, material.rows, "pdf")
    shows = ("where-the-milliseconds-go", "voice-to-voice-spread", "heard-minus-logged")
    widths = ("column-89mm", "page-183mm")
    assert {path.name for path in paths} == {f"{s}_{w}.pdf" for s in shows for w in widths}
    for path in paths:
        pdf_is_fit(path.read_bytes(), 89 if "column" in path.name else 183)


def svg_is_fit(data: bytes, mm: int) -> None:
    """Vectors only, letters as outlines, its width in mm, a title and a description."""
    root = ElementTree.fromstring(data)
    assert root.get("width") == f"{mm}mm"
    tags = {element.tag for element in root.iter() if isinstance(element.tag, str)}
    assert f"{SVG}path" in tags
    assert not tags & {f"{SVG}image", f"{SVG}text", f"{SVG}foreignObject"}
    title, description = (
        root.findtext(f".//{{http://purl.org/dc/elements/1.1/}}{name}")
        for name in ("title", "description")
    )
    assert title
    assert description
    assert description.endswith(".")


def pdf_is_fit(data: bytes, mm: int) -> None:
    """Vectors only, every font inside, and its width."""
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", data)
    assert box is not None
    assert float(box[1]) / 72 * 25.4 == pytest.approx(mm, abs=0.01)
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
    assert b"/Subtype /Image" not in data


@pytest.mark.parametrize("form", ["svg", "pdf"])
def test_the_same_run_gives_the_same_bytes(material: Material, form: Format) -> None:
    panel, width = latency.PANELS[0], WIDTHS[0]
    one, two = (encoded(drawn(panel, material, width), form, "a", "b.") for _ in range(2))
    assert one == two


def test_a_run_without_anything_to_draw_is_a_sentence(material: Material, tmp_path: Path) -> None:
    empty = replace(material.summary, presets=(), duplex=())
    with pytest.raises(StoreError, match="there is nothing to draw"):
        write_figures(tmp_path / "figures", empty, [], "svg")
    assert not (tmp_path / "figures").exists()


def test_letters_that_the_font_lacks_are_boxes_and_long_names_lose_their_middle() -> None:
    assert letters("duplex-nano") == "duplex-nano"
    assert letters("猫-bot $x$") == "□-bot $x$"
    assert letters(LONG) == "cascade-with-a-na…for-luck"
    assert len(letters("猫" * 60)) == 13
