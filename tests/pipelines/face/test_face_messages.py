import json
import re

import pytest

from pipelines.face.messages import (
    EMOTIONS,
    Emotion,
    FaceMessage,
    Keyframe,
    MessageError,
    encode,
    parse,
)
from pipelines.server.page import page_html


def test_v1_is_the_three_fields_of_the_course_and_its_version():
    told = json.loads(encode(FaceMessage(1, 0.5, True, "happy")))
    assert told == {"v": 1, "emotion": "happy", "mouth": 0.5, "speaking": True}


def test_v2_has_the_plane_and_lips_and_no_preset():
    lips = (Keyframe(0, 0.1, 0.2, 0.3), Keyframe(20, 0.4, 0.5, 0.6))
    told = json.loads(encode(FaceMessage(2, 1.0, True, "sad", -0.5, 0.25, lips, 1920, 1920)))
    assert told == {
        "v": 2, "valence": -0.5, "arousal": 0.25, "mouth": 1.0, "speaking": True,
        "visemes": [[0, 0.1, 0.2, 0.3], [20, 0.4, 0.5, 0.6]], "at": 1920, "samples": 1920,
    }  # fmt: skip


@pytest.mark.parametrize("v", [1, 2])
def test_what_is_encoded_is_read_back(v):
    emotion: Emotion = "afraid" if v == 1 else "neutral"
    plane = (0.0, 0.0) if v == 1 else (-0.5, 0.75)
    lips = () if v == 1 else (Keyframe(0, 0.5, 0.25, 0.125),)
    message = FaceMessage(v, 0.25, False, emotion, *plane, lips, 0, 1764, "thinking", True)
    assert parse(encode(message)) == message


def test_a_message_without_a_version_is_v1():
    assert parse('{"emotion": "sad", "mouth": 0, "speaking": false}').v == 1


def test_numbers_out_of_range_are_clamped():
    message = parse('{"v":2,"valence":-7,"arousal":1.5,"mouth":99,"speaking":true}')
    assert (message.valence, message.arousal, message.mouth) == (-1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("not json", "not JSON"),
        ("[1]", "an object"),
        ('{"v":3,"mouth":0,"speaking":true}', "v = 3 is unknown"),
        ('{"v":1,"emotion":"bored","mouth":0,"speaking":true}', "'bored' is unknown"),
        ('{"v":1,"emotion":"sad","mouth":"wide","speaking":true}', "mouth must be"),
        ('{"v":1,"emotion":"sad","mouth":NaN,"speaking":true}', "mouth must be"),
        ('{"v":1,"emotion":"sad","mouth":1}', "speaking must be"),
        ('{"v":2,"valence":0,"mouth":1,"speaking":true}', "arousal must be"),
        ('{"v":2,"valence":0,"arousal":0,"mouth":1,"speaking":true,"visemes":[[1]]}', "viseme"),
        ('{"v":1,"emotion":"sad","mouth":0,"speaking":true,"at":0.5}', "at must be"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(text, why):
    with pytest.raises(MessageError, match=why):
        parse(text)


def test_the_page_draws_every_emotion_that_may_be_sent():
    presets = re.search(r"const PRESETS = \{(.*?)\n\};", page_html(), re.S)[1]
    assert tuple(re.findall(r"^  (\w+):", presets, re.M)) == EMOTIONS


def test_the_page_is_one_file_that_loads_nothing():
    page = page_html()
    assert "/*js*/" not in page
    assert "/*css*/" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert not re.search(r"https?://(?!\$)", page)
