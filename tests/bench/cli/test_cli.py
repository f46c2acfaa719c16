"""The command line: bad input gets one sentence on stderr and a non-zero exit, no traceback."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from bench.cli import main as cli
from bench.fixtures.library import fixtures_root
from bench.store.lock import RunLock

SCRIPTED = """
title = "t"
architecture = "scripted"
kind = "scripted"
weights = "scripted"
sees_labels = true
"""


@pytest.fixture
def lab(monkeypatch, capsys, tmp_path):
    """Runs ``duplex-lab WORDS`` in a folder of its own; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["duplex-lab", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return run


def one_sentence(err: str) -> str:
    """The error as told: a line, without a traceback."""
    assert "Traceback" not in err
    lines = [line for line in err.strip().splitlines() if not line.startswith("[")]
    assert len(lines) == 1, err
    assert lines[0].startswith("duplex-lab: ")
    return lines[0]


def test_help_lists_every_command_with_a_line(lab):
    code, out, _ = lab("--help")
    assert code == 0
    for name in cli.COMMANDS:
        assert f"  {name} " in out


def test_an_unknown_preset_is_reported_with_the_nearest(lab):
    code, _, err = lab("run", "--presets", "cascade-embeded")
    assert code == 2
    assert "did you mean 'cascade-embedded'?" in one_sentence(err)


def test_two_presets_of_one_name_are_refused(lab):
    code, _, err = lab("run", "--presets", "cascade-scripted,cascade-scripted")
    assert code == 2
    assert "the same name" in one_sentence(err)


def test_an_unknown_fixture_is_reported(lab):
    code, _, err = lab("run", "--presets", "cascade-scripted", "--fixtures", "greet_helo")
    assert code == 2
    assert "greet_hello" in one_sentence(err)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[script]\nttft = 3", "unknown key 'ttft'"),
        ("[script]\nrandom = 3", "random = 3 must be true or false"),
        ("[llm]\nx = 1", "unknown table [llm]"),
    ],
)
def test_a_preset_file_with_a_wrong_line_is_reported_by_file_table_and_key(lab, line, sentence):
    Path("mine.toml").write_text(SCRIPTED + line)
    code, _, err = lab("run", "--presets", "mine.toml")
    assert code == 2
    told = one_sentence(err)
    assert "mine.toml" in told and sentence in told


def test_a_missing_gguf_is_found_before_the_first_trial(lab):
    shipped = Path(cli.__file__).parents[2] / "pipelines/presets/cascade-embedded.toml"
    text = shipped.read_text().replace('model = "creature-3m"', 'model = "/nowhere/at-all.gguf"')
    Path("mine.toml").write_text(text)
    code, _, err = lab("run", "--presets", "mine.toml", "--fixtures", "greet_hello", "--out", "r")
    assert code == 2
    assert "/nowhere/at-all.gguf" in one_sentence(err)
    assert not list(Path("r").glob("**/*.parquet"))


@pytest.mark.unhurried
def test_a_corrupt_gguf_is_reported_as_such(lab):
    shipped = Path(cli.__file__).parents[2] / "pipelines/presets/cascade-embedded.toml"
    Path("broken.gguf").write_bytes(b"GGUF" + os.urandom(2000))
    broken = Path("broken.gguf").absolute()
    text = shipped.read_text().replace('model = "creature-3m"', f'model = "{broken}"')
    Path("mine.toml").write_text(text)
    code, _, err = lab("run", "--presets", "mine.toml", "--fixtures", "greet_hello", "--out", "r")
    assert code == 2
    assert "broken.gguf" in one_sentence(err)


def test_a_corrupt_fixture_is_found_before_the_first_trial(lab, monkeypatch):
    Path("fx").mkdir()
    for name in ("greet_hello.toml", "greet_hello.wav"):
        shutil.copy(fixtures_root() / name, Path("fx") / name)
    wav = Path("fx/greet_hello.wav")
    wav.write_bytes(wav.read_bytes()[:2000])
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(Path("fx").absolute()))
    code, _, err = lab("run", "--presets", "cascade-scripted", "--fixtures", "greet_hello")
    assert code == 2
    assert "greet_hello.wav" in one_sentence(err)


def test_a_dry_run_says_how_long_and_what_n_can_bound_and_writes_nothing(lab):
    code, out, _ = lab("run", "--presets", "cascade-scripted", "--fixtures", "quick", "--dry-run")
    assert code == 0
    assert "n = 25 per preset" in out
    assert "in 21 conversations" in out
    assert "p95:     insufficient n (21, 59)" in out
    assert not Path("results").exists()


def test_a_folder_in_which_another_run_writes_is_refused(lab, tmp_path):
    # The lock is per open file, so a second one in this process is refused as another run's is.
    with RunLock(tmp_path / "r"):
        code, _, err = lab("run", "--presets", "cascade-scripted", "--out", "r")
    assert code == 2
    assert "another run writes here" in one_sentence(err)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_reported(lab, tmp_path):
    tmp_path.chmod(0o500)
    code, _, err = lab("run", "--presets", "cascade-scripted", "--out", "r")
    assert code == 2
    assert "no permission" in one_sentence(err)


def test_a_file_where_the_folder_should_be_is_reported(lab):
    Path("r").write_text("x")
    code, _, err = lab("run", "--presets", "cascade-scripted", "--out", "r")
    assert code == 2
    assert "a file stands where a folder is needed" in one_sentence(err)


def test_resuming_what_is_no_run_is_reported(lab):
    code, _, err = lab("run", "--resume", "nothing")
    assert code == 2
    assert "there is no run to resume" in one_sentence(err)


@pytest.mark.parametrize("words", [("show", "nothing"), ("metrics", "nothing")])
def test_reading_what_is_no_run_is_reported(lab, words):
    code, _, err = lab(*words)
    assert code == 2
    assert "there is no such" in one_sentence(err)


def test_presets_show_prints_every_option(lab):
    code, out, _ = lab("presets", "show", "cascade-scripted")
    assert code == 0
    for line in ("out_rate_hz = 24000", "llm_ttft_ms = 300", "random = false"):
        assert line in out


def test_an_old_name_of_a_command_works_says_the_new_one_and_is_not_listed(lab):
    assert cli.RENAMED == {"floor": "algorithmic-latency"}
    _, old, err = lab("floor", "--help")
    _, new, silent = lab("algorithmic-latency", "--help")
    assert old.replace(" floor ", " algorithmic-latency ") == new
    assert (one_sentence(err), silent) == (
        "duplex-lab: floor is called algorithmic-latency now.",
        "",
    )
    assert "  floor " not in lab("--help")[1]


def test_a_dry_run_loads_each_preset_and_names_all_that_would_stop_it(lab, tmp_path):
    (tmp_path / "good.py").write_text("async def bot(runner_args): pass\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text("import no_such_thing\n", encoding="utf-8")
    (tmp_path / "worse.py").write_text(
        "import os\nif os.environ.get('HF_HUB_OFFLINE'):\n    raise ValueError('a\\x1b')\n"
        "async def bot(runner_args): pass\n",
        encoding="utf-8",
    )
    for name in ("good", "bad", "worse"):
        (tmp_path / f"{name}.toml").write_text(f'bot = "{name}.py"\n', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    common = ["run", "--fixtures", "greet_hello", "--dry-run", "--presets"]
    code, out, err = lab(*common, "good.toml")
    assert code == 0
    assert "good: loads, in " in out
    code, out, err = lab(*common, "good.toml,bad.toml,worse.toml")
    assert code == 2
    told = [line for line in err.splitlines() if line.startswith("duplex-lab: ")]
    assert "bad.py, line 1 needs the package 'no_such_thing'" in told[0]
    assert r"worse.py, line 3 can't be imported: ValueError: a\x1b." in told[1]
    assert len(told) == 2 and "good: loads, in " in out and "\x1b" not in err + out
    assert sorted(p for p in tmp_path.rglob("*") if "__pycache__" not in p.parts) == before


def test_a_dry_run_says_which_key_is_missing(lab, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, _, err = lab("run", "--presets", "hosted-openai-realtime", "--dry-run")
    assert code == 2
    assert "OPENAI_API_KEY" in err


@pytest.mark.parametrize("plan", ["[]", "7", '{"presets": []}', '{"presets": {}, "fixtures": 3}'])
def test_a_run_whose_plan_is_odd_is_one_sentence_when_it_is_gone_on_with(lab, tmp_path, plan):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "run.json").write_text(f'{{"plan": {plan}}}', encoding="utf-8")
    code, _, err = lab("run", "--resume", "r")
    assert code == 2
    assert "run.json: its plan can't be understood" in one_sentence(err)
