"""NaN is no answer, and no pattern may hold up a check: what the labs' checks share."""

import time

import pytest

from labs.check import Check, Lab, Submission, SubmissionError, Verdict, examine
from labs.code import CodeError, OwnBox
from labs.judging import near, number, table
from labs.within import TooLongError, within


@pytest.fixture
def submission(tmp_path):
    return Submission(tmp_path, OwnBox())


def answers(submission, text):
    (submission.root / "answers.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_an_answer_that_is_not_finite_is_none(submission, value):
    answers(submission, f"a = {value}")
    with pytest.raises(SubmissionError, match="not a finite number"):
        submission.answer("a", float)


@pytest.mark.parametrize(
    "given", ["np.nan", "[1, [np.inf]]", "{'a': -np.inf}", "np.full(3, np.nan)"]
)
def test_code_that_gives_back_nan_is_wrong_whatever_it_is_compared_with(submission, given):
    code = f"import numpy as np\n\ndef f():\n    return {given}\n"
    (submission.root / "a.py").write_text(code, encoding="utf-8")
    with pytest.raises(CodeError, match="not finite"):
        submission.call("a.py", "f")


def test_a_function_is_called_once_for_each_input_in_one_process(submission):
    code = "import os\n\ndef f(x):\n    return [x + 1, os.getpid()]\n"
    (submission.root / "a.py").write_text(code, encoding="utf-8")
    found = submission.call_each("a.py", "f", [1, 2, 3])
    assert [value for value, _ in found] == [2, 3, 4]
    assert len({pid for _, pid in found}) == 1


@pytest.mark.parametrize("cell", ["nan", "inf", "", "x"])
def test_a_table_s_cell_that_is_no_number_is_named(submission, cell):
    (submission.root / "t.csv").write_text(f"a,b\n1,{cell}\n", encoding="utf-8")
    (row,) = table(submission, "t.csv", ("a", "b"))
    assert number(row, "a", "t.csv") == 1.0
    with pytest.raises(SubmissionError, match=r"t\.csv: b = '.*' is not a number"):
        number(row, "b", "t.csv")


def test_a_table_that_lacks_a_column_or_rows_is_reported(submission):
    (submission.root / "t.csv").write_text("a\n1\n", encoding="utf-8")
    for columns, least in ((("a", "b"), 1), (("a",), 2)):
        with pytest.raises(SubmissionError, match="rows or more, with a"):
            table(submission, "t.csv", columns, least)


def test_an_answer_near_the_figure_passes_and_the_side_of_another_is_reported(submission):
    answers(submission, "a = 101.0")
    assert near(submission, "a", 100.5, 0.6, 0.0).passed
    verdict = near(submission, "a", 90.0, 0.6, 0.0, "your marks")
    assert (verdict.passed, verdict.why) == (False, "a = 101 lies above what your marks give.")


def test_a_check_that_takes_for_ever_fails_alone(submission, monkeypatch):
    monkeypatch.setattr("labs.check.LONGEST_S", 0.2)
    import re

    def stuck(_):
        return Verdict(bool(re.match(r"(a+)+$", "a" * 60 + "b")), "")

    def quick(_):
        return Verdict(True, "")

    lab = Lab("x", "", (), (Check("stuck", "", stuck), Check("quick", "", quick)))
    first, second = (result.verdict for result in examine(lab, submission))
    assert (first.passed, first.why) == (False, "it took longer than 0.2 s.")
    assert second.passed


def test_a_block_that_ends_in_time_leaves_no_timer_behind():
    with within(0.05):
        pass
    time.sleep(0.1)
    with pytest.raises(TooLongError), within(0.01):
        time.sleep(0.5)
