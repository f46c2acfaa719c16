"""Words that came with a call: read from the usual files, and used for turns and texts."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli.main import app
from bench.fixtures.library import read_pcm, select
from bench.recorded.files import calls_in, read
from bench.recorded.score import score
from bench.recorded.words import GivenWord, read_words, words_beside
from bench.simulated.calls import Placed, placed
from bench.store.store import read_metrics, read_run
from pipelines.errors import LabError

RATE_HZ = 16_000
WORDS = [GivenWord("yes", 1.0, 1.5, "user"), GivenWord("no", 2.0, None, "agent")]


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"words": [
            {"word": "no", "start": 2, "end": None, "speaker": "assistant"},
            {"word": " yes", "start": 1.0, "end": 1.5, "speaker": "caller"},
        ]}),
        ("a.json", {"user": [{"text": "yes", "start_s": 1.0, "end_s": 1.5}],
                    "agent": {"chunks": [{"text": "no", "timestamp": [2.0, None]}]}}),
        ("a.json", [
            {"speaker": "user", "words": [{"text": "yes", "start": 1.0, "end": 1.5}]},
            {"speaker": "bot", "text": "no", "start": 2.0},
        ]),
    ],
)  # fmt: skip
def test_words_are_read_from_the_usual_json(tmp_path, name, content):
    assert read_words(written(tmp_path / name, content)) == WORDS


def test_words_are_read_from_captions_whose_speakers_are_named(tmp_path):
    said = [GivenWord("yes I do", 1.0, 2.5, "user"), GivenWord("no", 3.0, 4.5, "agent")]
    first, second = "00:00:01,000 --> 00:00:02,500", "00:00:03,000 --> 00:00:04,500"
    srt = f"1\n{first}\nuser: yes\nI do\n\n2\n{second}\nagent: no\n"
    assert read_words(written(tmp_path / "a.srt", srt)) == said
    first, second = "00:01.000 --> 00:02.500", "00:03.000 --> 00:04.500"
    vtt = f"WEBVTT\n\n{first}\n<v user>yes I do</v>\n\n{second}\n<v agent>no\n"
    assert read_words(written(tmp_path / "a.vtt", vtt)) == said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "can't be read as JSON"),
        ({"text": "yes"}, "holds no words with times"),
        ([{"text": "yes", "start": -1, "end": 2}], r"text, start and end \(s\) are needed"),
        ([{"start": 1, "end": 2}], r"text, start and end \(s\) are needed"),
        (["yes"], "a word is 'yes'"),
    ],
)
def test_what_holds_no_words_is_one_sentence(tmp_path, content, sentence):
    with pytest.raises(LabError, match=sentence):
        read_words(written(tmp_path / "a.json", content))


def test_a_stereo_file_needs_words_that_say_who_speaks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones((RATE_HZ, 2), np.int16), RATE_HZ)
    path = written(tmp_path / "a.json", [{"text": "yes", "start": 0.1, "end": 0.2}])
    assert words_beside(tmp_path / "a.wav") == path
    with pytest.raises(LabError, match="does not say who speaks"):
        read(calls_in(tmp_path / "a.wav")[0])


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A call whose words are known: a user, and an answer of two words."""
    folder = tmp_path_factory.mktemp("calls")
    (fixture,) = select("cmd_close_door")
    turn = fixture.turns[0]
    said = read_pcm(turn)[turn.u_on_sample : turn.u_off_sample + 1]
    end = 1 + len(said) / RATE_HZ
    answer = (8000 * np.cos(np.arange(RATE_HZ * 6 // 10) / 8)).astype(np.int16)
    user, agent = [Placed(said, 1.0)], [Placed(answer, end + 0.4)]
    soundfile.write(folder / "a.wav", placed(user, agent, end + 4, RATE_HZ), RATE_HZ)
    words = {
        # As recognisers give them: 80 ms late at the beginning, early at the end.
        "user": [{"word": "close", "start": 1.08, "end": 1.3},
                 {"word": "the door", "start": 1.3, "end": end - 0.1}],
        "agent": [{"word": "all", "start": end + 0.4, "end": end + 0.6},
                  {"word": "right", "start": end + 0.7, "end": end + 0.9}],
    }  # fmt: skip
    written(folder / "a.words.json", words)
    where = tmp_path_factory.mktemp("runs") / "run"
    assert score(calls_in(folder), where, user="left") == []
    return where


def test_limits_are_read_off_the_audio_around_the_words_and_the_rows_say_so(run_dir):
    rows = {row.metric: row.value for row in read_metrics(run_dir)}
    assert rows["voice_to_voice"] == pytest.approx(400, abs=5)
    run = read_run(run_dir)
    (labels,) = [run.labels("a")]
    assert [turn.text for turn in labels.turns] == ["close the door"]
    assert (run.proposed(), run.given()) == ((), ("a",))
    shown = CliRunner().invoke(app, ["show", str(run_dir)])
    assert "turns from the words that came with 1 call" in " ".join(shown.output.split())


def test_two_words_in_under_a_second_take_no_turn_and_without_words_that_is_not_known(run_dir):
    rows = {row.metric: row for row in read_metrics(run_dir)}
    assert rows["takeover_strict"].value == 0.0
    assert rows["takeover_strict"].reason is None
