"""What a recogniser's word errors may say of agents, by counts known beforehand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli.main import app
from bench.metrics.recompute import analyse
from bench.recorded.ranking import misheard, own_errors, told
from bench.simulated.turns import write_example_run
from bench.stats.word_errors import WordErrors
from bench.store.records import MetricRow
from bench.store.store import read_metrics
from pipelines.errors import LabError

RATE_HZ = 16_000


def spoken(folder: Path, name: str, text: str | None, seconds: float) -> None:
    soundfile.write(folder / f"{name}.wav", np.full(round(seconds * RATE_HZ), 0.1), RATE_HZ)
    if text is not None:
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")


def test_the_recognisers_own_errors_are_those_on_recordings_whose_words_are_known(
    tmp_path: Path,
) -> None:
    spoken(tmp_path, "1", "the red block", 1.0)
    spoken(tmp_path, "2", "the green block is here", 2.0)
    heard = {1.0: "the red block", 2.0: "the clean block is"}
    found = own_errors(tmp_path, lambda pcm, rate_hz: heard[len(pcm) / rate_hz])
    assert found == WordErrors(2, 8)
    spoken(tmp_path, "3", None, 1.0)
    with pytest.raises(LabError, match=r"3\.wav: its words are missing"):
        own_errors(tmp_path, lambda pcm, rate_hz: "")
    with pytest.raises(LabError, match=r"there is no NAME\.wav"):
        own_errors(tmp_path / "nothing", lambda pcm, rate_hz: "")


FOUND = {"b": WordErrors(9, 100), "a": WordErrors(3, 100), "c": WordErrors(10, 100)}


def test_presets_are_ranked_where_its_own_errors_are_known_and_few() -> None:
    own = dict.fromkeys(FOUND, WordErrors(2, 100))
    said = list(told(FOUND, own))
    assert said == [
        "b: 9 of 100 words misheard (9.0 %); the recogniser's own on this voice: 2 of 100 (2.0 %).",
        "a: 3 of 100 words misheard (3.0 %); the recogniser's own on this voice: 2 of 100 (2.0 %).",
        "c: 10 of 100 words misheard (10.0 %); the recogniser's own on this voice: 2 of 100 "
        "(2.0 %).",
        "Fewest misheard first: a < b = c.",
    ]


@pytest.mark.parametrize("own", [None, WordErrors(11, 100), WordErrors(0, 99)])
def test_a_preset_is_not_ranked_where_they_are_unknown_too_many_or_of_too_few_words(
    own: WordErrors | None,
) -> None:
    known = {"a": WordErrors(10, 100), "c": WordErrors(0, 100)}
    said = list(told(FOUND, known if own is None else {**known, "b": own}))
    assert said[3].startswith("Not ranked: b. The recogniser's own word errors on a voice must be")
    assert said[4] == "Fewest misheard first: a = c."
    assert ("own on this voice: unknown." in said[0]) == (own is None)
    nothing_known = list(told(FOUND, {}))
    assert nothing_known[-1].startswith("Not ranked: b, a, c.")


def test_words_are_pooled_per_preset_without_warm_ups(tmp_path: Path) -> None:
    write_example_run(tmp_path, trials=4)
    analyse(tmp_path)
    like = next(row for row in read_metrics(tmp_path) if not row.warmup)

    def row(preset: str, metric: str, value: float | None, warmup: bool = False) -> MetricRow:
        return replace(like, preset=preset, metric=metric, value=value, warmup=warmup)

    rows = [
        row("a", "agent_words", 5.0), row("a", "agent_word_errors", 1.0),
        row("a", "agent_words", 7.0), row("a", "agent_word_errors", 0.0),
        row("a", "agent_words", 9.0, True), row("a", "agent_word_errors", 9.0, True),
        row("b", "agent_words", None), row("b", "agent_word_errors", None),
    ]  # fmt: skip
    assert misheard(rows) == {"a": WordErrors(1, 12)}


def test_a_voice_of_no_preset_of_the_run_is_refused_before_anything_is_loaded(
    tmp_path: Path,
) -> None:
    write_example_run(tmp_path / "run", trials=1)
    for voice, why in (
        ("nobody", "PRESET=FOLDER is needed"),
        (f"a={tmp_path}/none", "PRESET=FOLDER is needed"),
        (f"nobody={tmp_path}", "the run has no preset 'nobody'; it has "),
    ):
        done = CliRunner().invoke(app, ["listen", str(tmp_path / "run"), "--voice", voice])
        assert done.exit_code != 0
        assert why in str(done.exception)
