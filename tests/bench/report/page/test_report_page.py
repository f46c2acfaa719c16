import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.causes.table import BY_NAME
from bench.metrics.compute import compute
from bench.report.page.markup import esc, script_json
from bench.report.page.page import FOLDER, Input, write_page
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import TurnPlan, labels_of, trial_of, write_example_run
from bench.store.records import CauseRow
from bench.store.store import read_info, read_run, save_recording, write_info, write_trial

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[31m"


class Page(HTMLParser):
    """Counts elements, and keeps the scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.scripts, self.links = [], [], [], []
        self.kind = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[k] for k in ("src", "href") if k in attrs]
        if tag == "script":
            self.kind = attrs.get("type", "code")

    def handle_endtag(self, tag):
        if tag == "script":
            self.kind = None

    def handle_data(self, data):
        if self.kind is not None:
            self.scripts.append((self.kind, data))

    @property
    def data(self):
        (text,) = [text for kind, text in self.scripts if kind == "application/json"]
        return json.loads(text)


def page_of(target, *folders, audio="none"):
    inputs = []
    for folder in folders:
        run = read_run(folder)
        inputs.append(Input(run, compute(run)))
    size = write_page(target, inputs, audio, lambda text: None)
    text = target.read_text()
    assert size == len(text.encode())
    return Page(text), text


def write_frames(folder):
    """A run of two duplex presets, 12 s each: one keeps up, one does not."""
    for preset, ms in (("duplex-60ms", 60.0), ("duplex-86ms", 86.0)):
        trial, marks, pcm = duplex_trial_of(DuplexPlan(150, (ms,)), preset=preset)
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        write_trial(folder, replace(trial, recording=path), marks)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_example_run(folder, trials=4)
    return folder


@pytest.fixture(scope="module")
def duplex(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duplex")
    write_frames(folder)
    return folder


def test_every_chart_has_its_place_and_every_place_its_chart(example, duplex, tmp_path):
    for folder in (example, duplex):
        page, _ = page_of(tmp_path / "page.html", folder)
        places = {i for i in page.ids if i in page.data["charts"]}
        assert places == set(page.data["charts"])
        assert len(page.ids) == len(set(page.ids))


def test_a_cascade_shows_its_path_its_spread_the_log_and_the_price(example, tmp_path):
    page, _ = page_of(tmp_path / "page.html", example)
    names = {name.partition("-")[2] for name in page.data["charts"]}
    assert {"critical", "ecdf", "logged", "pareto", "underruns", "delay"} <= names


def test_a_duplex_model_shows_its_frames(duplex, tmp_path):
    page, _ = page_of(tmp_path / "page.html", duplex)
    names = {name.partition("-")[2] for name in page.data["charts"]}
    assert {"gaps", "gap-times", "stages-0", "stages-1", "backlog"} <= names


def test_the_replay_finds_no_silence_where_frames_come_in_time(duplex, tmp_path):
    page, _ = page_of(tmp_path / "page.html", duplex)
    underruns = {trace["name"]: trace for trace in page.data["charts"]["r0-underruns"]["data"]}
    assert underruns["duplex-60ms"]["x"] == list(range(0, 501, 20))
    assert set(underruns["duplex-60ms"]["y"]) == {1.0}  # below 1 ms is drawn at 1
    assert underruns["duplex-86ms"]["y"][0] > 1000


def test_the_page_fetches_nothing(example, tmp_path):
    page, text = page_of(tmp_path / "page.html", example)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    own_css = text.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in own_css
    assert "@import" not in own_css
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")


def test_plotly_is_in_the_page_once(example, tmp_path):
    _, text = page_of(tmp_path / "page.html", example)
    assert text.count("plotly.js v") == 1


def test_recordings_are_in_the_page_beside_it_or_nowhere(example, tmp_path):
    whole, _ = page_of(tmp_path / "embed" / "page.html", example, audio="embed")
    names = [name for name in whole.data["runs"][0]["audio"] if name]
    assert len(names) == 9  # three presets, three trials each that are no warm-up
    assert set(names) <= set(whole.ids)

    beside, _ = page_of(tmp_path / "beside" / "page.html", example, audio="beside")
    for name in beside.data["runs"][0]["audio"]:
        assert (tmp_path / "beside" / name).read_bytes()[:4] == b"OggS"
    assert len(list((tmp_path / "beside" / FOLDER).iterdir())) == 9

    none, _ = page_of(tmp_path / "none" / "page.html", example)
    assert none.data["runs"][0]["audio"] == [None] * 9
    assert not (tmp_path / "none" / FOLDER).exists()


def test_hostile_text_never_becomes_code(tmp_path):
    plan = TurnPlan(text=HOSTILE, transcript=HOSTILE, answer=HOSTILE)
    trial, marks, pcm = trial_of([plan], fixture="cmd", preset="<b>bad</b>")
    trial = replace(trial, trial_id="bad.0", error=HOSTILE, status="error")
    path = save_recording(tmp_path / "run", trial.trial_id, pcm, trial.rate_hz)
    write_trial(tmp_path / "run", replace(trial, recording=path), marks)
    labels = labels_of("cmd", [plan]).to_dict()
    machine = {"cpu": HOSTILE, "packages": {HOSTILE: HOSTILE}}
    write_info(tmp_path / "run", {"fixtures": {"cmd": labels}, "machine": machine})
    page, text = page_of(tmp_path / "page.html", tmp_path / "run")
    harmless, _ = page_of(tmp_path / "harmless.html", _harmless(tmp_path / "harmless"))
    assert page.tags.count("script") == harmless.tags.count("script")
    assert page.tags.count("img") == page.tags.count("b") - harmless.tags.count("b") == 0
    assert page.data["runs"][0]["turns"][0]["said"] == HOSTILE
    names = [trace["name"] for trace in page.data["charts"]["r0-underruns"]["data"]]
    assert all("<" not in name for name in names)  # Plotly would read tags
    assert "\x1b" not in text


def _harmless(folder):
    trial, marks, pcm = trial_of([TurnPlan()])
    path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
    write_trial(folder, replace(trial, recording=path), marks)
    write_info(folder, {"fixtures": {trial.fixture: labels_of("f", [TurnPlan()]).to_dict()}})
    return folder


def test_json_in_a_script_can_not_end_it():
    text = script_json({"a": "</script><!--", "b": "\u2028", "c": float("nan")})
    assert "<" not in text
    assert ">" not in text
    assert json.loads(text) == {"a": "</script><!--", "b": "\u2028", "c": None}


def test_text_is_escaped_for_elements_and_attributes():
    assert esc('<a href="x">\'&') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;"


def test_several_runs_have_sections_of_their_own_and_one_picture_of_all(example, tmp_path):
    page, _ = page_of(tmp_path / "page.html", example, example)
    assert {"r0", "r1", "all", "all-ecdf"} <= set(page.ids)
    names = [trace["name"] for trace in page.data["charts"]["all-ecdf"]["data"]]
    assert "1: cascade-tuned" in names
    assert "2: cascade-tuned" in names
    assert page.ids.count("r1-spoilt") == 1


def test_what_does_not_count_is_listed_with_its_reason_and_not_cut_short(tmp_path):
    for number in range(12):
        trial, marks, pcm = trial_of([TurnPlan()], repeat=number, mouth_late_ms=30.0)
        path = save_recording(tmp_path / "run", trial.trial_id, pcm, trial.rate_hz)
        write_trial(tmp_path / "run", replace(trial, recording=path), marks)
    labels = labels_of(trial.fixture, [TurnPlan()]).to_dict()
    write_info(tmp_path / "run", {"fixtures": {trial.fixture: labels}})
    _, text = page_of(tmp_path / "page.html", tmp_path / "run")
    spoilt = text.partition('id="r0-spoilt"')[2].partition("</section>")[0]
    assert spoilt.count("mouth late: p99 30.0 ms &gt; 5 ms") == 12
    assert "example: 100 % of the turns are not valid." in text


def test_what_is_not_known_of_the_machine_is_left_out_and_no_calibration_is_said(duplex, tmp_path):
    _, text = page_of(tmp_path / "page.html", duplex)
    assert "The ruler was not calibrated in this run." in text
    assert "<dt>GPU</dt>" not in text
    assert "None" not in text.partition('id="r0-machine"')[2].partition("</section>")[0]


def test_a_quick_run_s_page_stays_small(example, tmp_path):
    _, text = page_of(tmp_path / "page.html", example, audio="embed")
    assert len(text) < 6e6  # of which Plotly takes almost 5


def test_labels_that_were_proposed_are_said_on_the_page(tmp_path):
    run = tmp_path / "run"
    write_example_run(run, trials=2)
    said = "labels proposed, not checked: 1 fixture (cmd_example_01)"
    assert said not in page_of(tmp_path / "page.html", run)[1]
    info = read_info(run)
    info["fixtures"]["cmd_example_01"]["labels"] = "vad"
    write_info(run, info)
    _, text = page_of(tmp_path / "page.html", run)
    assert text.count(said) == 2  # above the figures and under the tables


class Tree(HTMLParser):
    """The text of each element of a kind: its words, and those of its parts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "input", "br", "img"):
            self.open.append({"tag": tag, "attrs": dict(attrs), "text": "", "parts": []})

    def handle_endtag(self, tag):
        done = self.open.pop()
        assert done["tag"] == tag
        if self.open:
            self.open[-1]["parts"].append(done)
        self.found.append(done)

    def handle_data(self, data):
        for one in self.open:
            one["text"] += data

    def of(self, tag, cls=None):
        return [
            one
            for one in self.found
            if one["tag"] == tag and cls in (None, *one["attrs"].get("class", "").split())
        ]


def write_turns(folder, plans, preset="cascade-embedded"):
    """A run of one preset, a turn a trial: what is known beforehand."""
    for number, plan in enumerate(plans):
        trial, marks, pcm = trial_of([plan], preset=preset, fixture=f"f{number}")
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        write_trial(folder, replace(trial, recording=path), marks)
    labels = {f"f{i}": labels_of(f"f{i}", [TurnPlan()]).to_dict() for i in range(len(plans))}
    write_info(folder, {"run_id": "known", "fixtures": labels})
    return folder


def later(plan, ms):
    """The same turn with an end-of-turn that comes later."""
    times = ("stt_final_ms", "release_ms", "llm_request_ms", "first_token_ms", "to_tts_ms",
             "tts_request_ms", "first_byte_ms", "write_ms", "heard_ms")  # fmt: skip
    return replace(plan, **{name: getattr(plan, name) + ms for name in times})


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Three answers of 384 ms and two of 3384 ms, and the page that shows them."""
    root = tmp_path_factory.mktemp("known")
    plans = [TurnPlan()] * 3 + [later(TurnPlan(), 3000)] * 2
    page, text = page_of(root / "page.html", write_turns(root / "run", plans))
    return page, Tree(text)


def test_a_card_says_what_a_median_hides(known):
    _, tree = known
    (card,) = tree.of("li", "tile")
    assert card["attrs"]["style"] == "--own:var(--p0)"  # cascade-embedded's, by name
    (facts,) = [one for one in card["parts"] if one["tag"] == "dl"]
    said = {
        name["text"]: value["text"] for name, value in (pair["parts"] for pair in facts["parts"])
    }
    assert said == {
        "slowest": "3384 ms",
        "> 1 s": "2 of 5",
        "largest: endpointing delay": "65 %",  # 250 of 384 ms in three of five answers
    }


def test_the_stages_of_a_preset_stand_together_with_their_shares(known):
    _, tree = known
    (stages,) = [t for t in tree.of("table") if t["text"].startswith("Stages of an answer")]
    lines = [line for part in stages["parts"] if part["tag"] != "caption" for line in part["parts"]]
    head, row = ([cell["text"] for cell in line["parts"]] for line in lines)
    assert head == ["preset", "endpointing delay", "LLM", "TTS", "output", "hand-over gaps",
                    "answers"]  # fmt: skip
    assert row == ["cascade-embedded", "250 · 65 %", "78 · 20 %", "49 · 13 %", "1 · 0 %",
                   "6 · 2 %", "5"]  # fmt: skip


def test_no_bar_of_the_medians_is_cut(known):
    page, _ = known
    chart = page.data["charts"]["r0-critical"]
    ends = [sum(trace["x"][0] for trace in chart["data"] if trace["type"] == "bar")]
    assert chart["layout"]["xaxis"]["range"][1] > max(ends)


def test_a_preset_has_its_colour_whatever_else_was_run(known, example, tmp_path):
    page, _ = known
    both, _ = page_of(tmp_path / "page.html", example)
    assert page.data["runs"][0]["presets"] == {"cascade-embedded": 0}
    assert both.data["runs"][0]["presets"]["cascade-stock"] == 1
    lines = {t["name"]: t["line"]["color"] for t in both.data["charts"]["r0-ecdf"]["data"]}
    assert lines["cascade-stock"] == "@p1"
    alone, _ = page_of(
        tmp_path / "stock.html", write_turns(tmp_path / "stock", [TurnPlan()], "cascade-stock")
    )
    assert alone.data["charts"]["r0-ecdf"]["data"][0]["line"]["color"] == "@p1"


def test_a_preset_in_two_runs_keeps_its_colour_and_changes_its_dash(example, tmp_path):
    page, _ = page_of(tmp_path / "page.html", example, example)
    lines = {t["name"]: t["line"] for t in page.data["charts"]["all-ecdf"]["data"]}
    one, other = lines["1: cascade-tuned"], lines["2: cascade-tuned"]
    assert one["color"] == other["color"]
    assert one["dash"] != other["dash"]


def test_a_long_name_is_cut_on_a_chart_and_whole_in_a_title(tmp_path):
    name = "cascade-with-a-name-of-sixty-characters-and-one-more-for-luck"
    page, text = page_of(
        tmp_path / "page.html", write_turns(tmp_path / "run", [TurnPlan()], preset=name)
    )
    (title,) = Tree(text).of("h4")[0:1]
    assert title["attrs"]["title"] == title["text"] == name
    chart = page.data["charts"]["r0-critical"]
    (own,) = [a for a in chart["layout"]["annotations"] if a.get("hovertext")]
    assert own["text"].startswith("<b>cascade-with-a-…for-luck</b>")
    assert own["hovertext"] == name


def test_known_causes_are_named_above_and_in_their_turn(tmp_path):
    plans = [TurnPlan()] * 3 + [later(TurnPlan(), 3000)]
    run = read_run(write_turns(tmp_path / "run", plans))
    slow = run.trials[3]
    row = CauseRow(run.run_id, slow.trial_id, slow.preset, slow.fixture, 0, False, 0,
                   "smart_turn_incomplete", "answer", 3000.0, "probability 0.03")  # fmt: skip
    unknown = replace(row, cause="a_cause_of_tomorrow")
    given = Input(run, compute(run), [row, unknown])
    write_page(tmp_path / "page.html", [given], "none", lambda text: None)
    text = (tmp_path / "page.html").read_text()
    found = [turn["causes"] for turn in Page(text).data["runs"][0]["turns"]]
    known = BY_NAME["smart_turn_incomplete"]
    said = {"lost_ms": 3000.0, "sentence": known.sentence, "mend": known.mend,
            "detail": "probability 0.03"}  # fmt: skip
    assert found == [[], [], [], [said]]
    (lines,) = Tree(text).of("ul", "slow")
    assert lines["text"] == (
        f"cascade-embedded: 1 of 4 turns took 3.4 s: {known.short}; see the slowest"
    )
    (link,) = [part for part in lines["parts"][0]["parts"] if part["tag"] == "a"]
    assert link["attrs"]["href"] == "#turn-0-3"


def test_turns_far_outside_of_the_others_squeeze_no_axis_and_are_counted(tmp_path):
    plans = [*[TurnPlan()] * 4, later(TurnPlan(), 3000), later(TurnPlan(), -1300)]
    run = read_run(write_turns(tmp_path / "run", plans))
    write_page(tmp_path / "page.html", [Input(run, compute(run))], "none", lambda text: None)
    text = (tmp_path / "page.html").read_text()
    low, high = Page(text).data["charts"]["r0-ecdf"]["layout"]["xaxis"]["range"]
    assert (low, high) == (-360, 720)
    assert "1 turn lies to the left and 1 turn lies to the right of the plot:" in text


def test_a_column_of_words_stands_to_the_left(tmp_path):
    run = read_run(write_turns(tmp_path / "run", [TurnPlan()]))
    (trial,) = run.trials
    row = CauseRow(run.run_id, trial.trial_id, trial.preset, trial.fixture, 0, False, 0,
                   "smart_turn_incomplete", "answer", 3000.0, "")  # fmt: skip
    write_page(tmp_path / "page.html", [Input(run, compute(run), [row])], "none", lambda _: None)
    text = (tmp_path / "page.html").read_text()
    said = BY_NAME["smart_turn_incomplete"].short
    assert '<th scope="col" class="text">cause</th>' in text
    assert f'<td class="text">{said}</td>' in text


def test_a_run_without_causes_has_no_line_of_them(tmp_path):
    run = read_run(write_turns(tmp_path / "run", [TurnPlan()]))
    write_page(tmp_path / "page.html", [Input(run, compute(run), None)], "none", lambda text: None)
    assert Tree((tmp_path / "page.html").read_text()).of("ul", "slow") == []


def test_frames_that_lie_above_a_plot_are_counted(tmp_path):
    late = [60.0] * 99 + [900.0]  # of 300 frames the last one is never emitted
    trial, marks, pcm = duplex_trial_of(DuplexPlan(300, tuple(late)), preset="duplex-60ms")
    path = save_recording(tmp_path / "run", trial.trial_id, pcm, trial.rate_hz)
    write_trial(tmp_path / "run", replace(trial, recording=path), marks)
    _, text = page_of(tmp_path / "page.html", tmp_path / "run")
    leads = [p["text"] for p in Tree(text).of("p") if "above the plot" in p["text"]]
    assert [lead.split(". ")[-1] for lead in leads] == [
        "2 longer gaps lie above the plot: double-click to see all.",
        "2 longer frames lie above the plot: double-click to see all.",
    ]
