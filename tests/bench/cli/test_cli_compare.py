"""``duplex-lab compare`` on runs on disk: tables, refusals, files and exit codes."""

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from bench.cli import main as cli
from bench.metrics.recompute import analyse
from bench.simulated.turns import write_example_run
from bench.store.store import read_info, read_metrics, read_run, write_info
from bench.summary.summary import summarise

RUNS = {"one": 1, "two": 2}
"""Two measurements of the same (random) agents."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for name, seed in RUNS.items():
        write_example_run(root / name, trials=32, seed=seed)
        analyse(root / name)
    return root


@pytest.fixture
def lab(made, tmp_path, monkeypatch, capsys):
    """Runs ``duplex-lab compare WORDS`` beside copies of the runs; (exit code, stdout, stderr)."""
    for name in RUNS:
        (tmp_path / name).mkdir()
        for file in ("run.json", "trials.parquet", "marks.parquet", "metrics.parquet"):
            shutil.copy(made / name / file, tmp_path / name / file)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["duplex-lab", "compare", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return run


def refused(told: tuple[int, str, str]) -> str:
    code, out, err = told
    assert (code, out) == (2, "")
    (line,) = err.strip().splitlines()
    assert line.startswith("duplex-lab: ")
    return line


PAIR = ("one", "--presets", "cascade-stock,cascade-tuned")


def test_two_presets_of_one_run_are_compared(lab):
    code, out, _ = lab(*PAIR)
    assert code == 0
    assert "cascade-stock → cascade-tuned" in out
    (line,) = [line for line in out.splitlines() if line.startswith("voice_to_voice (ms)")]
    assert line.split()[-1] == "faster"
    assert "one after the other" not in out


def test_two_runs_of_the_same_agents_do_not_differ(lab):
    code, out, _ = lab("one", "two")
    assert code == 0
    assert [name for name in ("cascade-tuned", "cascade-stock", "scripted-600") if name in out] == [
        "cascade-tuned", "cascade-stock", "scripted-600",
    ]  # fmt: skip
    table = [line.split() for line in out.splitlines() if " to " in line]
    assert len(table) > 20
    assert not {"faster", "slower", "better", "worse"} & {words[-1] for words in table}
    assert "Two runs, one after the other" in " ".join(out.split())


def test_presets_of_other_names_are_matched_by_hand(lab):
    code, out, _ = lab("one", "two", "--presets", "cascade-stock=cascade-tuned")
    assert code == 0
    assert "cascade-stock (one) → cascade-tuned (two)" in out


def test_a_gate_that_holds_ends_with_0_and_one_that_breaks_with_1(lab):
    code, out, err = lab(*PAIR, "--gate", "voice_to_voice.p50<=1.05x")
    assert (code, err) == (0, "")
    assert "voice_to_voice.p50<=1.05x, cascade-stock → cascade-tuned: holds" in " ".join(
        out.split()
    )
    swapped = ("one", "--presets", "cascade-tuned,cascade-stock")
    code, out, err = lab(*swapped, "--gate", "voice_to_voice.p50<=1.05x")
    assert (code, err) == (1, "")
    assert "broken, the whole interval lies beyond the limit" in " ".join(out.split())


def test_a_gate_of_which_n_can_not_say_ends_with_2_on_stdout_unlike_bad_usage(lab):
    code, out, err = lab(*PAIR, "--gate", "voice_to_voice.p99<=9000ms")
    assert (code, err) == (2, "")
    assert "can't say, insufficient n" in " ".join(out.split())
    assert "--gate" in refused(lab(*PAIR, "--gate", "voice_to_voice<=9000ms"))


def test_the_files_for_ci_are_written_also_where_a_gate_breaks(lab):
    gates = ("--gate", "voice_to_voice.p50<=0.1x", "--gate", "rss_peak_mb.mean<=1.05x")
    files = ("--junit", "ci/j.xml", "--markdown", "m.md", "--json", "f.json")
    code, _, _ = lab(*PAIR, *gates, *files)
    assert code == 1
    (suite,) = ElementTree.parse("ci/j.xml").getroot()
    assert [[part.tag for part in case] for case in suite] == [["failure"], ["system-out"]]
    assert "| voice_to_voice.p50<=0.1x |" in Path("m.md").read_text()
    data = json.loads(Path("f.json").read_text())
    assert [gate["state"] for gate in data["gates"]] == ["broken", "holds"]
    (pair,) = data["pairs"]
    assert pair["base"] == {"run": "one", "preset": "cascade-stock"}
    assert {m["metric"] for m in pair["metrics"]} >= {"no_answer", "voice_to_voice", "task_success"}


def test_reading_changes_nothing_in_the_runs(lab, tmp_path):
    def state() -> dict[str, tuple[int, bytes]]:
        return {
            str(p): (p.stat().st_mtime_ns, p.read_bytes())
            for p in sorted(tmp_path.glob("*/*"))
            if p.is_file()
        }

    before = state()
    assert lab("one", "two")[0] == 0
    assert state() == before


def test_fewer_metrics_are_one_smaller_family_in_which_the_rates_stay(lab):
    code, out, _ = lab(*PAIR, "--metrics", "voice_to_voice")
    assert code == 0
    assert "over the 3 tests shown" in " ".join(out.split())
    assert "\nno_answer (%)" in out and "\ninvalid (%)" in out
    assert "endpointing_delay" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("one",), "--presets BASE,CANDIDATE"),
        (("one", "--presets", "cascade-stock,nothing"), "there is no preset 'nothing'"),
        (("one", "two", "one"), "one run or two, not 3"),
        (("one", "nowhere"), "nowhere: there is no such folder"),
        ((*PAIR, "--metrics", "speed"), "'speed' is not compared"),
        ((*PAIR, "--junit", "j.xml"), "give at least one --gate"),
        (("one", "--presets", "cascade-stock,scripted-600"), "their weights differ"),
    ],
)
def test_what_can_not_be_compared_is_reported_in_a_sentence(lab, words, told):
    assert told in refused(lab(*words))
    assert not Path("j.xml").exists()


def test_another_machine_is_refused_unless_it_is_meant(lab):
    write_info(Path("two"), {**read_info(Path("two")), "machine": {"cpu": "another", "cores": 2}})
    assert "cpu: an example, measured nowhere and another" in refused(lab("one", "two"))
    code, out, _ = lab("one", "two", "--across-machines")
    assert code == 0
    assert "different machines" in out


def test_metrics_of_another_schema_are_refused(lab):
    path = Path("two/metrics.parquet")
    table = pq.read_table(path)
    older = {**table.schema.metadata, b"duplex_lab.schema_version": b"1"}
    pq.write_table(table.replace_schema_metadata(older), path)
    assert "duplex-lab metrics two" in refused(lab("one", "two"))


def test_other_audio_under_the_same_name_is_refused(lab):
    path = Path("two/trials.parquet")
    table = pq.read_table(path)
    i = table.schema.get_field_index("fixture_sha256")
    changed = table.set_column(i, table.schema.field(i), [["f" * 64] * len(table)])
    pq.write_table(changed, path)
    assert "their sha256 differ" in refused(lab("one", "two"))


def test_a_run_without_metrics_is_refused_with_how_to_get_them(lab):
    Path("two/metrics.parquet").unlink()
    assert "duplex-lab metrics two" in refused(lab("one", "two"))


def test_the_rule_of_the_gate_stands_in_the_help(lab):
    code, out, _ = lab("--help")
    assert code == 0
    told = " ".join(out.split())
    assert "broken only where the whole 95 % interval lies beyond its limit" in told
    assert "Bad usage and runs that can't be compared end with 2 too" in told


def test_labels_that_were_proposed_are_said_under_the_comparison(lab):
    info = read_info(Path("one"))
    for name in ("cmd_example_03", "cmd_example_04"):
        info["fixtures"][name]["labels"] = "vad"
    write_info(Path("one"), info)
    said = "labels proposed, not checked: 2 fixtures (cmd_example_03, cmd_example_04)"
    code, out, _ = lab(*PAIR, "--markdown", "told.md")
    assert code == 0
    assert said in " ".join(out.split())
    assert said in Path("told.md").read_text(encoding="utf-8")
    assert "labels proposed" not in lab("two", *PAIR[1:])[1]


def test_base_and_candidate_are_the_figures_that_show_prints(lab):
    code, _, _ = lab(*PAIR, "--json", "f.json")
    assert code == 0
    (pair,) = json.loads(Path("f.json").read_text())["pairs"]
    found = {one["metric"]: one for one in pair["metrics"]}
    run = read_run(Path("one"))
    shown = {p.preset: p for p in summarise(run, read_metrics(Path("one"))).presets}
    base, candidate = shown["cascade-stock"], shown["cascade-tuned"]
    of = found["voice_to_voice"]
    assert (of["base"], of["candidate"]) == (base.p50.value, candidate.p50.value)
    # 2 turns of the base and 7 of the candidate have no partner: the pairs' medians are others.
    assert of["candidate_of_pairs"] != of["candidate"]
    assert found["stt_wer"]["base"] == base.wer
    assert found["no_answer"]["candidate"] == 100 * candidate.unanswered_rate
    assert found["rss_peak_mb"]["base"] == base.figures["rss_peak_mb"].value


def test_a_comparison_is_printed_in_every_format(lab):
    code, out, _ = lab(*PAIR, "--format", "json")
    assert (code, json.loads(out)["pairs"][0]["base"]["preset"]) == (0, "cascade-stock")
    rows = list(csv.DictReader(io.StringIO(lab(*PAIR, "--format", "csv")[1])))
    assert [row["metric"] for row in rows][:3] == ["no_answer", "invalid", "voice_to_voice"]
    assert {row["base_preset"] for row in rows} == {"cascade-stock"}
    assert lab(*PAIR, "--format", "md")[1].startswith("# duplex-lab compare\n")


def test_options_that_differ_are_listed_below_the_table(lab):
    info = read_info(Path("one"))
    turns = {"cascade-stock": {"preset": "stock"}, "cascade-tuned": {"preset": "[vad]"}}
    info["presets"] = {name: {"stages": {"turns": of}} for name, of in turns.items()}
    write_info(Path("one"), info)
    code, out, _ = lab(*PAIR)
    assert code == 0
    assert '\nOptions that differ:\n  turns.preset: "stock" → "[vad]"\n' in out
