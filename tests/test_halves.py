"""How the tests are played: two halves, one exit code, no skip that nobody expects."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.expected_skips import is_expected
from tests.order import LONG

pytest_plugins = "pytester"
ROOT = Path(__file__).parents[1]
LEAN = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:xdist")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_tests", ROOT / "scripts" / "run_tests.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_tests_are_played_in_two_halves_of_which_the_second_has_one_process(script):
    first, second = script.halves([])
    assert first[:3] == ["-m", "not realtime", "-n"] and int(first[3]) >= 2
    assert second == ["-m", "realtime", "--durations=15"]
    assert script.halves(["tests/bench", "-k", "ear"])[1][-3:] == ["tests/bench", "-k", "ear"]


@pytest.mark.parametrize(
    "args", [["tests/bench/caller/test_ear.py"], ["tests/test_x.py::test_y"], ["-m", "realtime"]]
)
def test_a_file_or_a_choice_by_marker_is_played_in_one_process(script, args):
    assert script.halves(args) == [["--durations=15", *args]]


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0, 0], 0), ([0, 5], 0), ([5, 0], 0), ([5, 5], 5), ([1, 0], 1), ([0, 1], 1), ([5, 3], 3)],
)
def test_either_half_fails_the_whole_and_a_half_without_a_test_does_not(script, codes, code):
    assert script.together(codes) == code


def test_the_long_files_that_are_played_first_exist():
    assert [name for name in LONG if not (ROOT / "tests" / name).is_file()] == []


SKIPS = """
import pytest
@pytest.mark.parametrize("why", [{why!r}])
def test_left_out(why):
    pytest.skip(why)
"""


@pytest.mark.parametrize(
    ("why", "ci", "code"),
    [
        ("the machine is too busy", "true", 1),
        ("the machine is too busy", "", 0),
        ("the extra 'otel' is not installed", "true", 0),
    ],
)
def test_a_skip_that_nobody_expects_is_named_and_fails_where_ci_is_set(
    pytester, monkeypatch, why, ci, code
):
    monkeypatch.setenv("CI", ci)
    pytester.makepyfile(SKIPS.format(why=why))
    result = pytester.runpytest_inprocess("-p", "tests.expected_skips", *LEAN)
    assert result.ret == code
    named = f"*test_left_out*: {why}"
    if is_expected(why):
        result.stdout.no_fnmatch_line(named)
    else:
        result.stdout.fnmatch_lines([named])


CALLS = """
import multiprocessing, pytest
{mark}
def test_call():
    process = multiprocessing.get_context("fork").Process(target=int, name="duplex-lab caller")
    process.start()
    process.join()
"""


@pytest.mark.parametrize(("mark", "failed"), [("", 1), ("@pytest.mark.realtime", 0)])
def test_a_test_that_starts_the_caller_is_marked_realtime(pytester, mark, failed):
    pytester.makeini("[pytest]\nmarkers = realtime: plays in real time")
    pytester.makepyfile(CALLS.format(mark=mark))
    result = pytester.runpytest_inprocess("-p", "tests.quiet_clock", *LEAN)
    result.assert_outcomes(passed=1 - failed, failed=failed)
    if failed:
        result.stdout.fnmatch_lines(["*test_call plays in real time: give it*"])
