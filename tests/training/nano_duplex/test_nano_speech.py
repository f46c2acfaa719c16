"""Speech: limits of words and phones, the cache, and flite itself where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.fixtures.fixture import Word
from training.nano_duplex import speech
from training.nano_duplex.espeak import phone_name
from training.nano_duplex.voices import AGENT, Voice

ROOT = Path(__file__).parents[3]
flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite 2.2 is not installed")


def test_words_that_start_nowhere_share_the_time_of_the_one_before_by_letters():
    limits = speech.word_limits(["on", "the", "shelf"], [(0, 100), (7, 600)], 90, 900)
    assert limits == [Word("on", 90, 294), Word("the", 294, 600), Word("shelf", 600, 900)]


def test_a_word_that_starts_with_another_or_after_the_end_has_a_share_of_the_time_too():
    limits = speech.word_limits(["is", "my", "cap"], [(0, 90), (3, 90), (6, 990)], 90, 790)
    assert limits == [Word("is", 90, 290), Word("my", 290, 490), Word("cap", 490, 790)]


def test_phones_of_espeak_have_flite_s_names_and_unknown_ones_none():
    assert [phone_name(ipa) for ipa in ("ˈɛ", "uː", "ɡ", "tʃ", "oːɹ", "ʘ", "")] == [
        "eh", "uw", "g", "ch", "ao", "", "",
    ]  # fmt: skip


def test_at_24_khz_all_limits_are_half_as_much_again(tones):
    said = speech.speak("two words", AGENT)
    assert said.pcm.dtype == np.float32
    assert said.pcm.size == (2 * 3200 + 640) * 3 // 2
    assert said.words == (("two", 480, 5280), ("words", 5280, 10080))
    assert (said.start, said.end) == (480, 10080)


def test_what_was_spoken_is_taken_from_the_cache(tones, tmp_path, monkeypatch):
    first = speech.speak("two words", AGENT, tmp_path)
    monkeypatch.setattr(speech, "spoken", None)
    again = speech.speak("two words", AGENT, tmp_path)
    assert (again.phones, again.words) == (first.phones, first.words)
    assert np.array_equal(again.pcm, first.pcm)
    with pytest.raises(TypeError):
        speech.speak("other words", AGENT, tmp_path)


@flite
def test_flite_says_each_word_in_its_place_and_a_faster_voice_takes_less_time():
    plain = speech.speak("put the ball on the table", AGENT)
    assert [word for word, _, _ in plain.words] == ["put", "the", "ball", "on", "the", "table"]
    assert plain.phones[0][0] == "p" and plain.phones[-1][0] == "l"
    assert 0.8 < plain.pcm.size / 24_000 < 2.5
    fast = speech.speak("put the ball on the table", Voice("flite", "rms", 1.25, 1.0, 1.1))
    assert (fast.end - fast.start) / (plain.end - plain.start) == pytest.approx(0.8, abs=0.01)


AGAIN = """
import sys
import numpy as np
from training.nano_duplex import speech
from training.nano_duplex.voices import Voice

for name in sys.argv[1:]:
    voice = Voice("espeak", name, 1.05, 0.97, 1.03)
    first = speech.speak("please turn to the left", voice)
    speech.speak("come here now", Voice("espeak", "en-029+steph", 1.1, 0.8, 1.1))
    again = speech.speak("please turn to the left", voice)
    assert np.array_equal(first.pcm, again.pcm) and first.words == again.words, name
"""


def test_espeak_says_the_same_whatever_it_said_before():
    # In a process of its own, as the corpus is made: where somebody else holds the library too, it
    # is not loaded anew for each sentence.
    voices = ["en-us+caleb", "en-gb-x-rp+f3", "en-us+m3"]
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, *voices], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_espeak_says_each_word_in_its_place():
    said = speech.speak("put the ball on the table", Voice("espeak", "en-us+m3"))
    assert [word for word, _, _ in said.words] == ["put", "the", "ball", "on", "the", "table"]
    assert [name for name, _, _ in said.phones][:2] == ["p", "uh"]
    starts = [start for _, start, _ in said.words]
    assert starts == sorted(starts) and said.start <= starts[0] < said.words[-1][2] <= said.end
