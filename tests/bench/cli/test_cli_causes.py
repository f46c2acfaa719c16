"""``duplex-lab causes`` lists the rows, and prints one in full."""

import json

import pytest
from typer.testing import CliRunner

from bench.causes.table import BY_NAME, CAUSES
from bench.cli.main import app
from pipelines.errors import LabError


def printed(*words: str) -> str:
    found = CliRunner().invoke(app, ["causes", *words], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_every_cause_has_a_line_and_json_has_all_of_it() -> None:
    table = printed().splitlines()
    assert [line.split()[0] for line in table if line.split()[0] in BY_NAME] == list(BY_NAME)
    rows = json.loads(printed("--format", "json"))
    assert [row["mend"] for row in rows] == [cause.mend for cause in CAUSES]


def test_one_cause_is_printed_with_its_mend_and_source() -> None:
    cause = BY_NAME["smart_turn_incomplete"]
    text = " ".join(printed(cause.name).split())
    for part in (cause.sentence, f"Mend: {cause.mend}", cause.source):
        assert part in text


def test_a_cause_that_is_not_known_is_a_sentence_that_names_those_there_are() -> None:
    with pytest.raises(LabError, match=r"^slow: there is no such cause; there are smart_turn"):
        CliRunner().invoke(app, ["causes", "slow"], catch_exceptions=False)
