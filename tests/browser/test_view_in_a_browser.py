"""duplex-lab view in a real browser: the list, its filters, and a run that goes on in place."""

import asyncio
import json
import os
import re
import threading
from dataclasses import replace

import pytest

from bench.metrics.compute import compute
from bench.simulated.turns import T0_NS, TurnPlan, labels_of, trial_of, write_example_run
from bench.store.store import read_run, save_recording, write_info, write_metrics, write_trial
from bench.view.server import View
from tests.browser.chromium import NEEDED, PHONE, until

pytestmark = NEEDED
LONG = "a-run-of-sixty-characters-and-more-so-that-its-name-must-be-cut"


def put(folder, number, heard_ms=344.0):
    plan = replace(TurnPlan(), heard_ms=heard_ms)
    trial, marks, pcm = trial_of(
        [plan], preset="cascade-embedded", fixture=f"f{number}", t0_ns=T0_NS + number * 10**10
    )
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    write_trial(folder, replace(trial, recording=path), marks)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    found = tmp_path_factory.mktemp("results")
    for name in ("example", LONG):
        write_example_run(found / name, trials=3)
        write_metrics(found / name, compute(read_run(found / name)))
    labels = {f"f{i}": labels_of(f"f{i}", [TurnPlan()]).to_dict() for i in range(2)}
    plan = {
        "fixtures": dict.fromkeys(labels, ""),
        "presets": {"cascade-embedded": ""},
        "repeats": 1,
    }
    info = {"created_utc": "2026-02-01T00:00:00+00:00", "presets": {"cascade-embedded": {}},
            "plan": plan, "fixtures": labels}  # fmt: skip
    write_info(found / "live", info)
    (found / "live" / ".lock").write_text(str(os.getpid()))
    put(found / "live", 0)
    return found


@pytest.fixture(scope="module")
def address(root):
    """The view, served from a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def do(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    async def made():
        return View(root)

    view = do(made())
    do(view.start(0))
    yield view.url
    do(view.stop())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def visit(browser, address):
    contexts, said, fetched = [], [], []

    def opened(path="", **how):
        context = browser.new_context(**how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))
        page.goto(address + path)
        page.wait_for_selector("html[data-shown]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in fetched if not url.startswith((address, "data:", "blob:"))] == []


def names(page):
    return page.locator(".runs .name b").all_inner_texts()


def test_the_list_is_filtered_and_a_run_is_opened_and_left_again(visit):
    page = visit()
    assert names(page) == ["live", "example", LONG]  # the newest first
    page.get_by_label("State").select_option("goes on")
    assert names(page) == ["live"]
    page.get_by_label("State").select_option("")
    page.get_by_label("Preset").select_option("cascade-stock")
    assert names(page) == ["example", LONG]
    page.get_by_label("Search").fill("sixty")
    assert names(page) == [LONG]
    assert page.locator(".filters output").inner_text() == "1 of 3 runs"
    page.locator(".runs .row").press("Enter")
    page.wait_for_selector("html[data-drawn=all]")
    page.locator("#r0 .row").first.click()
    page.get_by_role("button", name=re.compile("Play")).click()
    until(page, lambda: page.evaluate("document.querySelector('audio').currentTime") > 0.1)
    page.get_by_role("link", name="Runs", exact=True).click()
    page.wait_for_selector("html[data-shown]")
    assert len(names(page)) == 3


def test_a_run_that_goes_on_changes_in_place(visit, root):
    page = visit("run/live/")
    page.evaluate("window.here = true")
    fact = page.locator(".tile dd").first
    assert fact.inner_text() == "384 ms"
    assert page.locator(".played .row").count() == 1
    put(root / "live", 1, heard_ms=1544.0)
    until(page, lambda: fact.inner_text() == "1584 ms")
    assert page.locator(".played .row").first.inner_text().split() == [
        "cascade-embedded.f1.0", "1584", "ms", "ok",
    ]  # fmt: skip
    assert "2 of 2 trials played, the run goes on" in page.inner_text(".progress")
    (root / "live" / ".lock").write_text("")
    until(page, lambda: "the run is over" in page.inner_text(".progress"))
    assert page.evaluate("window.here") is True  # nothing was loaded again
    page.get_by_role("link", name="Open its report").click()
    page.wait_for_selector("html[data-drawn=all]")
    (root / "live" / ".lock").write_text(str(os.getpid()))


@pytest.mark.parametrize("path", ["", "run/live/"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_scrolls_only_down_and_long_names_are_cut_with_a_title(visit, path, theme):
    page = visit(path, viewport=PHONE, is_mobile=True, has_touch=True, color_scheme=theme)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    cut = page.evaluate(
        """() => [...document.querySelectorAll("b, em, h2, h4")]
            .filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
            .map(e => [e.textContent, e.title])"""
    )
    assert all(text == title for text, title in cut), json.dumps(cut)
    assert bool(cut) == (path == "")
