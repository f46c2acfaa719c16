"""The known answers: what a preset's script makes, against what was heard."""

import pytest

from bench.runner.run import _describe
from bench.summary.read_back import known_ms
from pipelines.spec import load_spec


@pytest.mark.parametrize(
    ("preset", "known"),
    [
        ("cascade-scripted", 30 + 120 + 300 + 150),
        ("cascade-scripted-random", None),
        ("duplex-scripted-60ms", 200 + 80 + 60),
        ("duplex-scripted-yield", 600 + 80 + 20),
        ("duplex-scripted-86ms", None),
        ("cascade-embedded", None),
    ],
)
def test_the_answer_of_a_script_is_known_where_it_is_one_and_the_same(preset, known):
    assert known_ms(_describe(load_spec(preset))) == known


def test_a_run_without_descriptions_has_no_known_answer():
    assert known_ms({}) is None
