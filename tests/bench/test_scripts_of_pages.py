"""Scripts that the pages name: what they can't read is said in a sentence."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["capacity_table.py", "results/sample"], "holds no search for a capacity"),
        (["sweep_alarms.py", "no/run", "no/run", "x"], "no/run: there is no such folder"),
        (["sweep_alarms.py", "results/sample", "results/sample", "x"], "no preset 'x' in it."),
    ],
)
def test_a_run_that_is_none_of_theirs_ends_in_a_sentence(words, said):
    done = subprocess.run(
        [sys.executable, f"scripts/{words[0]}", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
