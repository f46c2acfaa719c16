"""A sweep's file: what it says, and each way of being wrong in one sentence."""

import pytest

from bench.sweep.grid import plan_sweep
from bench.sweep.sweep_file import read_sweep
from pipelines.errors import LabError


def written(tmp_path, text):
    path = tmp_path / "evening.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_a_file_leaves_out_is_what_run_does_without_its_options(tmp_path):
    sweep = read_sweep(written(tmp_path, 'presets = ["cascade-scripted"]'))
    assert (sweep.name, sweep.file.fixtures, sweep.file.repeats) == ("evening", ("quick",), 1)
    assert (sweep.file.networks, sweep.file.apart, sweep.file.retries) == (
        ("none",),
        ("networks",),
        2,
    )
    grid = plan_sweep(sweep)
    assert [cell.name for cell in grid.cells] == ["evening"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("presets = [", "not valid TOML: "),
        ("", "the key 'presets' is missing."),
        ("presets = []", "presets names nothing: name at least one."),
        ('presets = ["a", "a"]', "presets names 'a' twice; repeats = N plays it more often."),
        ('preset = ["a"]', "unknown key 'preset' (did you mean 'presets'?); known: presets, "),
        ('presets = ["a"]\nrepeats = 0', "repeats = 0 must be from 1 to 1000."),
        ('presets = ["a"]\napart = ["fixtures"]', "apart = ['fixtures'] must be "),
        ('presets = ["cascade-scripte"]', "There is no preset 'cascade-scripte' (did you mean "),
        ('presets = ["mine.toml"]', "There is no file '"),
        ('presets = ["a"]\noptions = 3', "options = 3 must be a table."),
        ('presets = ["a"]\n[options.b]\nc.d = nan', "options.b.c.d = nan must be finite."),
        ('presets = ["a"]\nnetworks = [""]', "networks holds an empty name: fill it in"),
        ('presets = "a"', "presets = 'a' must be a list of texts."),
        ('presets = ["a"]\nrepeats = true', "repeats = true must be a whole number."),
        (
            'presets = ["a"]\nnetworks = ["none,lte"]',
            "networks: 'none,lte' are several names: write each as its own.",
        ),
        (
            'presets = ["cascade-scripted"]\nnetworks = ["lt"]',
            "network: there is no network 'lt' (did you mean 'lte'?); known: none, ",
        ),
        (
            'presets = ["cascade-scripted"]\nfixtures = ["nobody"]',
            "no fixture matches 'nobody'; ",
        ),
        (
            'presets = ["cascade-scripted"]\nfixtures = ["duplex:cmd_stop"]',
            "fixtures duplex:cmd_stop: nothing of it is for cascade-scripted, which is of the kind "
            "scripted.",
        ),
        (
            'presets = ["cascade-scripted"]\n[options.none]\nscript.stt_ms = 9',
            "[options.none]: is the preset as it is: only [options.none] is empty.",
        ),
        (
            'presets = ["cascade-scripted"]\n[options.fast]',
            "[options.fast]: changes nothing: only [options.none] is empty.",
        ),
        (
            'presets = ["cascade-scripted"]\n[options]\nfast = 3',
            "[options]: fast must be a table, [options.fast].",
        ),
        (
            'presets = ["cascade-scripted"]\n[options.fast]\nscript.stt = 9',
            "cascade-scripted-fast.toml [script]: unknown key 'stt' (did you mean ",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_file(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(LabError) as refused:
        plan_sweep(read_sweep(path))
    assert str(refused.value).startswith(f"{path}: {said}")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    path = tmp_path / "none.toml"
    with pytest.raises(LabError) as refused:
        read_sweep(path)
    assert str(refused.value) == f"{path}: can't be read: No such file or directory."
