"""The report page in a real browser: it opens offline, a click shows a turn, and the turn plays.

Needs Playwright (extra ``browser``) and a Chromium of the system; ``make test-browser`` runs it.
"""

import re
from dataclasses import replace

import pytest

from bench.metrics.compute import compute
from bench.report.page.page import Input, write_page
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import write_example_run
from bench.store.store import read_run, save_recording, write_trial
from tests.browser.chromium import NEEDED, PHONE

pytestmark = NEEDED


def write_frames(folder):
    """A run of two duplex presets, 12 s each: one keeps up, one does not."""
    for preset, ms in (("duplex-60ms", 60.0), ("duplex-86ms", 86.0)):
        trial, marks, pcm = duplex_trial_of(DuplexPlan(150, (ms,)), preset=preset)
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        write_trial(folder, replace(trial, recording=path), marks)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A cascade's run with the audio in the page and beside it, and a duplex model's without."""
    root = tmp_path_factory.mktemp("report")
    write_example_run(root / "run", trials=5)
    write_frames(root / "duplex")
    cascade, duplex = (
        Input(run, compute(run)) for run in map(read_run, (root / "run", root / "duplex"))
    )
    for name, given, audio in (
        ("page", [cascade], "embed"),
        ("beside", [cascade], "beside"),
        ("frames", [duplex], "none"),
        ("both", [cascade, duplex], "none"),
    ):
        write_page(root / f"{name}.html", given, audio, lambda text: None)
    return root


@pytest.fixture
def visit(browser, pages):
    """Opens a page; at the end, nothing may have been said on the console or fetched."""
    contexts, said, fetched = [], [], []

    def opened(name="page.html", address="", **how):
        context = browser.new_context(offline=True, **how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto((pages / name).as_uri() + address)
        page.wait_for_selector("html[data-drawn=all]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in fetched if not url.startswith(("file:", "blob:", "data:"))] == []


def current_time(page):
    return page.evaluate("document.querySelector('audio').currentTime")


def until(page, condition):
    """Asks again and again; the page's policy forbids Playwright's own way, which is eval."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("15 s have passed")


def plays_on(page):
    """Waits until the recording has moved on by a tenth of a second."""
    start = current_time(page)
    until(page, lambda: current_time(page) > start + 0.1)


@pytest.mark.parametrize(("name", "least"), [("page", 6), ("frames", 7), ("both", 13)])
def test_all_charts_are_drawn_without_a_word_on_the_console(visit, name, least):
    page = visit(f"{name}.html")
    charts = page.locator(".plot")
    assert charts.count() >= least
    for i in range(charts.count()):
        assert charts.nth(i).locator(".main-svg").count() > 0


def test_frames_of_a_duplex_model_lie_under_the_waveforms(visit):
    page = visit("frames.html")
    page.locator(".row").first.click()
    turn = page.locator(".turn")
    names = turn.locator("svg.water text").all_text_contents()
    assert {"encode", "step", "decode", "emitted", "text"} <= set(names)
    assert turn.get_by_role("button", name=re.compile("Play")).is_disabled()
    assert "left out of this page" in turn.inner_text()


def test_a_click_opens_a_turn_and_its_button_plays_it_from_the_place_shown(visit):
    page = visit()
    page.locator("#r0").get_by_label("Order").select_option("fastest first")
    row = page.locator("#r0 .row").first
    row.click()
    assert row.get_attribute("aria-expanded") == "true"
    turn = page.locator("#r0 .turn")
    assert "put the red block on the table" in turn.inner_text()
    assert turn.locator("svg.water rect").count() > 8
    play = turn.get_by_role("button", name=re.compile("Play"))
    play.click()
    plays_on(page)
    assert current_time(page) > 1.5  # the user ended at 2.0 s; half a second before is shown
    cursor = turn.locator("svg.water > line").last
    assert cursor.get_attribute("visibility") == "visible"
    x = float(cursor.get_attribute("x1"))
    page.wait_for_timeout(200)
    assert float(cursor.get_attribute("x1")) > x  # it follows
    until(
        page, lambda: page.evaluate("document.querySelector('audio').paused")
    )  # where the picture ends
    row.click()
    assert page.locator("#r0 .turn").count() == 0


def test_a_click_into_the_picture_goes_there(visit):
    page = visit()
    page.locator("#r0 .row").first.click()
    picture = page.locator("#r0 svg.water")
    clock = page.locator("#r0 .player output")
    before = clock.inner_text()
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] * 0.75, "y": 60})
    assert clock.inner_text() != before


def test_audio_beside_the_page_plays_too(visit):
    page = visit("beside.html")
    page.locator(".row").first.click()
    page.get_by_role("button", name=re.compile("Play")).click()
    plays_on(page)
    assert current_time(page) > 0.1


def test_the_page_is_used_by_keyboard_alone(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#r0 .row").first.focus()
    page.keyboard.press("ArrowDown")
    second = page.locator("#r0 .row").nth(1)
    assert second.evaluate("row => row === document.activeElement")
    outline = second.evaluate("row => getComputedStyle(row).outlineStyle")
    assert outline == "solid"  # focus is seen
    page.keyboard.press("Enter")
    assert second.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    plays_on(page)
    page.keyboard.press("Escape")
    assert second.get_attribute("aria-expanded") == "false"


def test_turns_are_filtered_searched_and_sorted(visit):
    page = visit()
    part = page.locator("#r0 .turns")
    everything = int(part.locator("output").inner_text().split()[0])
    part.get_by_label("Preset").select_option("cascade-stock")
    assert set(part.locator(".row .preset").all_inner_texts()) == {"cascade-stock"}
    assert int(part.locator("output").inner_text().split()[0]) == everything / 3
    part.get_by_label("Counts as").select_option("valid")
    figures = [int(t.split()[0]) for t in part.locator(".row .figure").all_inner_texts()]
    assert figures == sorted(figures, reverse=True)
    part.get_by_label("Order").select_option("fastest first")
    figures = [int(t.split()[0]) for t in part.locator(".row .figure").all_inner_texts()]
    assert figures == sorted(figures)
    part.get_by_label("Search").fill("no such words")
    assert part.locator(".row").count() == 0


def test_a_turn_named_in_the_address_is_open(visit):
    page = visit(address="#turn-0-3")
    assert page.locator("#turn-0-3 .row").get_attribute("aria-expanded") == "true"


def test_a_click_on_a_point_opens_its_turn(visit):
    page = visit()
    page.evaluate(
        "document.getElementById('r0-ecdf').emit('plotly_click', {points: [{customdata: '0-5'}]})"
    )
    page.wait_for_selector("#turn-0-5 .turn")
    assert page.locator("#turn-0-5 .row").get_attribute("aria-expanded") == "true"


def test_dark_follows_the_system_and_the_toggle(visit):
    page = visit(color_scheme="dark")

    def ground():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    def ink():
        return page.locator("#r0-critical .xtick text").first.evaluate(
            "text => getComputedStyle(text).fill"
        )

    dark, dark_ink = ground(), ink()
    toggle = page.get_by_role("button", name=re.compile("Theme"))
    toggle.click()
    assert toggle.inner_text() == "Theme: light"
    light, light_ink = ground(), ink()
    assert light != dark
    assert light_ink != dark_ink  # charts are drawn anew
    toggle.click()
    assert toggle.inner_text() == "Theme: dark"
    assert ground() == dark


def test_a_phone_scrolls_only_down(visit):
    page = visit(viewport={"width": 360, "height": 780}, is_mobile=True, has_touch=True)
    page.locator("#r0 .row").first.tap()
    page.wait_for_selector("#r0 svg.water")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    play = page.get_by_role("button", name=re.compile("Play")).bounding_box()
    assert play["height"] >= 32  # a finger's


def test_a_legend_s_button_hides_its_trace(visit):
    page = visit()
    shown = page.locator("#r0-ecdf .scatterlayer .trace")
    before = shown.count()
    page.locator("#r0 .legend:has(+ #r0-ecdf) button").first.click()
    assert shown.count() == before - 1


def test_a_bar_that_is_cut_is_torn_and_says_how_much(visit):
    page = visit()
    slowest = page.locator("#r0 .row").first
    figure = int(slowest.locator(".figure").inner_text().split()[0])
    bar = slowest.locator(".bar")
    assert "cut" in bar.get_attribute("class").split()
    scale = int(re.search(r"bars: 0 to (\d+) ms", page.locator("#r0 .key").inner_text())[1])
    assert bar.get_attribute("title") == f"cut: it is {figure / scale:.1f} times as long as shown"
    torn = page.locator("#r0 .bar.cut").count()
    longer = [int(t.split()[0]) > scale for t in page.locator("#r0 .figure").all_inner_texts()
              if t != "–"]  # fmt: skip
    assert torn == sum(longer)
    parts = bar.locator("i").evaluate_all("all => all.map(i => parseFloat(i.style.width))")
    assert sum(parts) == pytest.approx(100, abs=0.1)  # none lies beyond the end


def test_turns_are_sorted_by_any_stage(visit):
    page = visit()
    part = page.locator("#r0 .turns")
    orders = part.get_by_label("Order").locator("option").all_inner_texts()
    assert orders[3:] == [
        "longest endpointing delay", "longest LLM", "longest TTS", "longest output",
        "longest hand-over gap",
    ]  # fmt: skip
    part.get_by_label("Counts as").select_option("valid")
    for order in orders[3:]:
        part.get_by_label("Order").select_option(order)
        shown = [t for t in part.locator(".figure small").all_inner_texts() if t != "–"]
        figures = [float(t.split()[0]) for t in shown]
        assert figures == sorted(figures, reverse=True)
        assert len(figures) > 5


def test_tables_are_sorted_by_their_heads(visit):
    page = visit()
    table = page.locator("table", has_text="Stages of an answer")
    head = table.get_by_role("button", name="LLM")
    before = table.locator("tbody th").all_inner_texts()
    head.click()
    column = [int(t.split()[0]) for t in table.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert column == sorted(column, reverse=True)
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("LLM")
    head.press("Enter")
    column = [int(t.split()[0]) for t in table.locator("tbody td:nth-child(3)").all_inner_texts()]
    assert column == sorted(column)
    head.click()
    assert table.locator("tbody th").all_inner_texts() == before  # as they were run


def test_a_preset_s_colour_stays_when_others_are_filtered_out(visit):
    page = visit()
    part = page.locator("#r0 .turns")

    def dots():
        rows = part.locator(".row").filter(has_text="cascade-stock")
        return set(rows.locator(".dot").evaluate_all("all => all.map(d => d.style.background)"))

    before = dots()
    part.get_by_label("Preset").select_option("cascade-stock")
    assert dots() == before == {"var(--p1)"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_text_of_a_chart_lies_over_another_on_a_phone(visit, theme):
    page = visit(viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=theme)
    over = page.evaluate(
        """() => [...document.querySelectorAll(".plot")].flatMap(plot => {
            const all = [...plot.querySelectorAll(".annotation-text, .xtitle, .ytitle")]
                .map(text => [text.textContent, text.getBoundingClientRect()])
                .filter(([, box]) => box.width > 0);
            return all.flatMap(([a, p], i) => all.slice(i + 1)
                .filter(([, q]) => p.left < q.right - 1 && q.left < p.right - 1
                    && p.top < q.bottom - 1 && q.top < p.bottom - 1)
                .map(([b]) => `${plot.id}: ${a} | ${b}`));
        })"""
    )
    assert over == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_on_paper_the_page_is_light(visit):
    page = visit(color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    ink = page.locator("#r0-critical .xtick text").first.evaluate("t => getComputedStyle(t).fill")
    assert ink == "rgb(89, 98, 109)"  # --faint of the light theme
    assert page.locator(".top").is_hidden()
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 21)"
