"""A whole search in virtual time: an agent that is a queue, real conversations, a run on disk."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from bench.capacity.asked import Asked
from bench.capacity.capacity import search_with
from bench.capacity.doubles.queue_calls import QueueCallers
from bench.capacity.slo import Slo
from bench.fixtures.library import select
from bench.report.capacity import verdict
from bench.report.page.page import Input, write_page
from bench.report.plots.capacity import draw_capacity, png_of
from bench.simulated.queue import largest_rate
from bench.simulated.queue_agent import HANG_S
from bench.store.store import read_info, read_metrics, read_run
from pipelines.errors import LabError
from pipelines.remote.preset import remote_specs

SERVICE_S, SERVERS = 0.5, 1
LIMIT_MS = 1000 * (HANG_S + SERVICE_S) + 250


def asked(weights="trained", **options):
    (spec,) = remote_specs(["ws://127.0.0.1:1/talk"], ["pcm-websocket"], [])
    spec = replace(
        spec,
        name="queue",
        weights=weights,
        stages={"agent": replace(spec.stages["agent"], greeting_s=0.0)},
    )
    slos = (Slo.parse(f"voice_to_voice.p50<={LIMIT_MS:.0f}ms"),)
    most = {"first": 4.0, "limit": 8.0, "calls": 20, **options}
    return Asked(spec, tuple(select("cmd_dance,cmd_stop")), slos, **most)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search, its run and what it told."""
    run_dir = tmp_path_factory.mktemp("capacity") / "run"
    told: list[str] = []
    callers = QueueCallers(SERVICE_S, SERVERS)
    kept = search_with(asked(), run_dir, callers, told.append)
    return SimpleNamespace(kept=kept, run_dir=run_dir, told=told)


def test_the_load_that_is_found_is_near_that_of_theory(found):
    # Half of the customers of M/D/1 wait at most 250 ms; the calls' chance is that of this seed.
    rate = largest_rate(SERVICE_S, SERVERS, lambda waits: bool(np.median(waits) <= 0.25))
    theory = rate * found.kept["mean_length_s"]
    assert theory == pytest.approx(6.2, abs=0.5)
    assert 0.6 * theory <= found.kept["most"] <= 1.2 * theory
    assert found.kept["beyond"] > found.kept["most"]


def test_each_load_is_a_preset_of_a_run_as_any_other(found):
    run, kept = read_run(found.run_dir), found.kept
    loads = {f"queue@{row['load']:g}" for row in kept["levels"]}
    assert {trial.preset for trial in run.trials} == loads == set(run.info["presets"])
    assert all(row["calls"] == 20 for row in kept["levels"])
    assert len(run.trials) == 20 * len(kept["levels"])
    rows = [row for row in read_metrics(found.run_dir) if row.metric == "voice_to_voice"]
    assert len(rows) == len(run.trials)
    assert all(row.valid and row.value >= 1000 * (HANG_S + SERVICE_S) - 1 for row in rows)


def test_what_was_found_stands_in_run_json_with_its_bounds(found):
    kept = read_info(found.run_dir)["capacity"]
    assert kept["done"] and kept["most"] == found.kept["most"]
    held = [row for row in kept["levels"] if row["load"] == kept["most"]]
    assert [row["repeat"] for row in held] == [0, 1]
    for row in held:
        (of,) = row["slos"].values()
        assert of["value"] <= of["bound"] <= LIMIT_MS
        assert (row["late"], row["failed"], row["invalid_percent"]) == (0, 0, 0.0)
    json.dumps(kept)


def test_the_verdict_names_the_load_where_it_broke_and_what_was_full(found):
    first, second = verdict(found.kept)
    assert first == (
        f"N* = {found.kept['most']:g} calls at once: all limits held by their bounds, 2 times."
    )
    assert f"At {found.kept['beyond']:g} it did not hold: voice_to_voice.p50<=1250ms: " in second
    assert second.endswith("nothing that can be seen from here was full: answers wait inside "
                           "the agent.")  # fmt: skip


def test_the_page_of_the_run_has_the_curve_the_table_and_the_sentences(found, tmp_path):
    given = Input(read_run(found.run_dir), read_metrics(found.run_dir), ())
    write_page(tmp_path / "report.html", [given], "none", lambda text: None)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<a href="#r0-capacity">Capacity</a>' in page
    assert f"N* = {found.kept['most']:g} calls at once" in page
    assert "voice_to_voice.p50&lt;=1250ms over the load" in page
    assert page.count("callers&#x27; CPU a call") == 1


def test_the_picture_has_a_panel_for_each_limit_and_names_the_load(found):
    (panel,) = draw_capacity(found.kept).axes
    assert panel.get_ylabel() == "voice_to_voice.p50, ms"
    assert f"N* = {found.kept['most']:g}" in [text.get_text() for text in panel.texts]
    drawn = {
        float(np.asarray(line.get_xdata())[0]) for line in panel.lines if line.get_marker() == "o"
    }
    assert drawn == {row["load"] for row in found.kept["levels"]}
    assert png_of(found.kept).startswith(b"\x89PNG")


def test_a_search_goes_on_only_as_the_one_that_it_was(found):
    with pytest.raises(LabError, match="already holds a run; name another folder, or add --resume"):
        search_with(asked(), found.run_dir, QueueCallers(1.0, 1), print)


def test_a_search_that_was_ended_goes_on_without_what_was_played(tmp_path):
    times = []

    class Counting(QueueCallers):
        def play(self, ordered, give):
            times.append(len(ordered))
            return super().play(ordered, give)

    callers = Counting(SERVICE_S, SERVERS)
    short = asked(first=3.0, limit=6.0, most_minutes=1.2)
    with pytest.raises(LabError, match=r"--max-minutes 1\.2: the next load, 6, takes 0\.\d min"):
        search_with(short, tmp_path / "run", callers, print)
    assert len(times) == 2  # each call once; the first load
    more = asked(first=3.0, limit=6.0)
    with pytest.raises(LabError, match="that search had seed '1', this one '2'"):
        search_with(replace(more, seed="2"), tmp_path / "run", callers, print, resume=True)
    kept = search_with(more, tmp_path / "run", callers, print, resume=True)
    assert kept["done"] and [row["load"] for row in kept["levels"]][:2] == [3.0, 6.0]
    assert len(times) == 2 + len(kept["levels"]) - 1
