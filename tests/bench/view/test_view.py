"""The runs in a browser: who may ask, what is readable, and a run that goes on."""

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner
from yarl import URL

from bench.cli.main import app
from bench.metrics.compute import compute
from bench.simulated.turns import T0_NS, TurnPlan, labels_of, trial_of
from bench.store.store import (
    read_more,
    read_run,
    save_recording,
    write_info,
    write_metrics,
    write_trial,
)
from bench.view.library import Library, is_live
from bench.view.live import Live
from bench.view.server import View, page

SECRET = "what lies outside the folder of the runs"


def put(folder, number, heard_ms=None, preset="cascade-embedded"):
    """A trial of a run: it is answered after 384 ms, or never where a time is None."""
    plan = TurnPlan() if heard_ms is None else replace(TurnPlan(), heard_ms=heard_ms)
    trial, marks, pcm = trial_of(
        [plan], preset=preset, fixture=f"f{number}", t0_ns=T0_NS + number * 10**10
    )
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    started = f"2026-01-01T00:00:{number:02d}Z"
    write_trial(folder, replace(trial, recording=path, started_utc=started), marks)
    return trial.trial_id


def warm_up(folder):
    """A warm-up of a run."""
    trial, marks, pcm = trial_of(
        [TurnPlan()], preset="cascade-embedded", fixture="f0", t0_ns=T0_NS - 10**9
    )
    path = save_recording(folder, "warm", pcm, trial.rate_hz)
    write_trial(folder, replace(trial, trial_id="warm", recording=path, warmup=True), marks)


def begin(folder, *, live):
    """A run of a plan of three trials."""
    info = {
        "created_utc": "2026-01-01T00:00:00+00:00",
        "machine": {"cpu": "an example"},
        "presets": {"cascade-embedded": {}},
        "plan": {"fixtures": {f"f{i}": "" for i in range(3)}, "presets": {"cascade-embedded": ""},
                 "repeats": 1},
        "fixtures": {f"f{i}": labels_of(f"f{i}", [TurnPlan()]).to_dict() for i in range(3)},
    }  # fmt: skip
    write_info(folder, info)
    (folder / ".lock").write_text(str(os.getpid()) if live else "")


@pytest.fixture
def root(tmp_path):
    """A run that is done, one that goes on, one damaged, and links that lead out."""
    results = tmp_path / "results"
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run.json").write_text(json.dumps({"secret": SECRET}))
    for name, live in (("done", False), ("live", True)):
        begin(results / name, live=live)
        put(results / name, 0)
    warm_up(results / "done")
    write_metrics(results / "done", compute(read_run(results / "done")))
    (results / "damaged").mkdir()
    (results / "damaged" / "run.json").write_text("{")
    (results / "link").symlink_to(outside)
    (results / "linked").mkdir()
    (results / "linked" / "run.json").symlink_to(outside / "run.json")
    (results / "note.txt").write_text("no run")
    return results


def ask(root, *addresses, **headers):
    """(status, text) of each address, asked by a plain client in this process."""

    async def asked():
        view = View(root)
        await view.start(0)
        try:
            async with aiohttp.ClientSession() as session:
                found = []
                for address in addresses:
                    url = URL(f"http://127.0.0.1:{view.port}{address}", encoded=True)
                    own = {k: v.format(port=view.port) for k, v in headers.items()}
                    async with session.get(url, headers=own, allow_redirects=False) as answer:
                        found.append((answer.status, await answer.read(), answer.headers))
                return found
        finally:
            await view.stop()

    return asyncio.run(asked())


def test_the_runs_are_listed_with_their_state_and_medians(root):
    ((status, data, headers),) = ask(root, "/api/runs")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    runs = {run["name"]: run for run in json.loads(data)["runs"]}
    assert set(runs) == {"done", "live", "damaged", "linked"}
    assert runs["done"]["state_name"] == "done"
    assert runs["done"]["trials"] == 1
    (line,) = runs["done"]["presets"]
    assert line.pop("p50_ms") == pytest.approx(384, abs=0.5)
    assert line == {"preset": "cascade-embedded", "colour": 0, "p50": "384"}
    assert runs["live"]["state_name"] == "goes on"
    assert runs["live"]["presets"] == [
        {"preset": "cascade-embedded", "colour": 0, "p50": "–", "p50_ms": None}
    ]
    assert runs["damaged"]["state_name"] == "can't be read"
    assert runs["damaged"]["problem"].startswith("damaged/run.json: the file is damaged")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "runs.example:{port}"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://page.example"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_only_its_own_page_by_its_own_name_may_ask(root, headers, status):
    for found, data, _ in ask(root, "/", "/api/runs", "/api/runs/live", "/run/live/", **headers):
        assert found == status
        assert (b"duplex-lab" in data or b"trials" in data) == (status == 200)


OUT = [
    "/run/../outside/", "/run/..%2foutside/", "/run/%2e%2e/", "/run/%2e%2e%2foutside/",
    "/run/link/", "/run/linked/", "/run/note.txt/", "/run//", "/run/done%2f..%2f..%2foutside/",
    "/api/runs/..", "/api/runs/link", "/api/runs/linked", "/api/runs/..%2foutside",
    "/run/done/audio/..%2f..%2f..%2foutside%2frun.json.ogg", "/run/done/audio/%2e%2e.ogg",
    "/run/done/run.json", "/run/done/audio/run.json", "/outside/run.json", "/results/done/run.json",
]  # fmt: skip


def test_nothing_but_runs_can_be_read(root):
    for (status, data, _), address in zip(ask(root, *OUT), OUT, strict=True):
        assert status == 404, address
        assert SECRET.encode() not in data


def test_a_run_s_page_has_its_recordings_and_a_way_back(root):
    audio = "audio/cascade-embedded.f0.0.ogg"
    found = ask(root, "/run/done/", f"/run/done/{audio}", "/run/done/audio/none.ogg")
    (status, data, headers), (heard, opus, _), (missing, _, _) = found
    assert (status, heard, missing) == (200, 200, 404)
    text = data.decode()
    assert '<a href="/">Runs</a>' in text
    assert headers["X-Frame-Options"] == "DENY"
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    told = json.loads(held[1])
    assert told["runs"][0]["audio"] == [audio]
    assert opus[:4] == b"OggS"


def test_a_damaged_run_is_a_sentence_without_the_folder_s_path(root):
    ((status, data, _),) = ask(root, "/run/damaged/")
    assert status == 422
    assert data.decode().startswith("results/damaged: there are no trials in it")


def test_a_run_that_goes_on_is_told_trial_by_trial(root):
    live = Live(root / "live")
    first = live.standing()
    assert (first.trials, first.planned) == (1, 3)
    (card,) = first.cards
    assert (card.p50, card.slowest, card.slow) == ("384 (n 1)", "384", "0 of 1")
    assert (card.answered, card.late, card.colour) == ("1 of 1 (100 %)", 0, 0)
    assert live.standing() is first  # nothing is computed again
    newest = put(root / "live", 1, heard_ms=1544.0)
    second = live.standing()
    assert [trial.trial_id for trial in second.latest] == [newest, "cascade-embedded.f0.0"]
    assert [trial.took for trial in second.latest] == ["1584", "384"]
    assert second.cards[0].slow == "1 of 2"


def test_a_run_before_its_first_trial_is_empty_and_after_its_process_is_over(root):
    begin(root / "new", live=True)
    assert Live(root / "new").standing().trials == 0
    ((_, data, _), (_, shown, _)) = ask(root, "/api/runs/live", "/run/live/")
    assert json.loads(data)["live"] is True
    assert b"Trials, the newest first" in shown
    (root / "live" / ".lock").write_text("")
    ((_, data, _), (_, shown, _)) = ask(root, "/api/runs/live", "/run/live/")
    assert json.loads(data)["live"] is False
    assert b"Where the milliseconds go" in shown  # its report, computed now
    states = {entry.name: entry.state for entry in Library(root).entries()}
    assert states["live"] == "unfinished"


@pytest.mark.parametrize("text", ["", "0", "-1", "no number", "9" * 30, "4194305"])
def test_a_lock_without_a_process_is_no_run_that_goes_on(tmp_path, text):
    (tmp_path / ".lock").write_text(text)  # Linux gives no number above 4194304
    assert not is_live(tmp_path)


def test_a_list_reads_only_what_has_changed(root, monkeypatch):
    library = Library(root)
    library.entries()
    read: list[str] = []

    def noted(path):
        read.append(path.name)
        return {}

    monkeypatch.setattr("bench.view.library.read_info", noted)
    library.entries()
    assert read == []
    put(root / "live", 2)
    library.entries()
    assert read == ["live"]


def test_more_of_a_run_is_only_what_is_not_known(root):
    known = put(root / "live", 1)
    more = read_more(root / "live", ["cascade-embedded.f0.0"])
    assert [trial.trial_id for trial in more.trials] == [known]
    assert read_more(root / "live", ["cascade-embedded.f0.0", known]).trials == ()


class Parts(HTMLParser):
    """The scripts of a page, its policy, and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.links, self.policy, self.in_script = [], [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.in_script = tag == "script"
        self.links += [attrs[k] for k in ("src", "href") if k in attrs]
        if attrs.get("http-equiv") == "Content-Security-Policy":
            self.policy = attrs["content"]

    def handle_data(self, data):
        if self.in_script:
            self.scripts.append(data)
        self.in_script = False


@pytest.mark.parametrize("script", ["list", "live"])
def test_its_pages_run_only_their_own_script_and_fetch_only_from_it(script):
    parts = Parts(page(script, "runs", "<b>'\"&"))
    (code,) = parts.scripts
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert parts.policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}'")
    assert "connect-src 'self'" in parts.policy
    assert all(link.startswith(("#", "data:", "/")) for link in parts.links)
    assert "innerHTML" not in code


def test_a_port_that_is_taken_and_a_missing_folder_are_sentences(root):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["view", str(root), "--port", port, "--no-open"])
    assert f"can't be served at 127.0.0.1:{port}" in str(done.exception)
    missing = CliRunner().invoke(app, ["view", str(root / "none"), "--no-open"])
    assert "there is no such folder; name the one that holds the runs" in str(missing.exception)


def test_ctrl_c_ends_it_in_a_sentence(root):
    command = [sys.executable, "-m", "bench.cli.main", "view", str(root), "--port", "0"]
    with subprocess.Popen(
        [*command, "--no-open"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    ) as process:  # fmt: skip
        assert re.fullmatch(
            r"The runs of .*: http://127\.0\.0\.1:\d+/\n", process.stdout.readline()
        )
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    assert said == "The view has ended; the runs are as they were.\n"
    assert (process.returncode, errors) == (0, "")
