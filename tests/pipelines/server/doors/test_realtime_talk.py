"""What a session's events become at `/v1/realtime`: no socket, no session's clock."""

import json
from typing import Any

import numpy as np
import pytest

from pipelines.clock import NS_PER_MS, monotonic_ns
from pipelines.server.doors.realtime import RealtimeTalk
from pipelines.server.session.backend import Capabilities
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Control,
    Failure,
    Interruption,
    ToolCall,
    TurnEnd,
    UserPartial,
)
from tests.pipelines.server import openai_contract


class Socket:
    def __init__(self):
        self.sent = []

    async def send(self, message):
        self.sent.append(json.loads(message["text"]))
        openai_contract.check(self.sent[-1])

    def types(self):
        sent, self.sent = self.sent, []
        return [event["type"] for event in sent]


class Session:
    name, in_rate_hz, out_rate_hz = "s", 16_000, 24_000

    def __init__(self, full_duplex):
        self.capabilities = Capabilities("a", 16_000, 24_000, full_duplex=full_duplex)


@pytest.fixture
def talk():
    def make(full_duplex=False):
        socket: Any = Socket()
        session: Any = Session(full_duplex)
        return RealtimeTalk(socket, session), socket

    return make


def audio(level, generation=0):
    return AudioOut(0, 0, 24_000, np.full(480, level, np.int16).tobytes(), generation=generation)


def speaks(value):
    return Control(monotonic_ns() - 200 * NS_PER_MS, "user_speaking", value)


STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"


@pytest.mark.parametrize("full_duplex", [False, True], ids=["cascade", "duplex"])
async def test_a_users_turn_ends_with_the_pipelines_turn_or_with_a_pause_where_there_are_no_turns(
    talk, full_duplex
):
    one, socket = talk(full_duplex)
    for event in (speaks("true"), speaks("false")):
        await one.say(event)
    types = socket.types()
    assert (
        types[-4:]
        == [
            *([STOPPED, "input_audio_buffer.committed", "conversation.item.added"]),
            "conversation.item.done",
        ]
        if full_duplex
        else types[-1] == STARTED
    )
    await one.say(TurnEnd(monotonic_ns(), "user"))
    assert (STOPPED in socket.types()) is not full_duplex
    await one.say(speaks("true"))
    assert socket.types() == [STARTED]


async def test_silence_before_an_answer_and_audio_that_was_interrupted_are_not_sent(talk):
    one, socket = talk()
    await one.say(audio(0))
    assert len(socket.types()) == 2  # session.created, conversation.created
    await one.say(audio(5_000))
    await one.say(audio(0))
    assert socket.types().count("response.output_audio.delta") == 2
    await one.say(Interruption(0, 1))
    assert socket.types()[-1] == "response.done"
    await one.say(audio(5_000, generation=0))
    await one.say(TurnEnd(0, "agent"))
    assert socket.types() == []
    await one.say(audio(5_000, generation=1))
    await one.say(TurnEnd(0, "agent"))
    assert socket.types()[-1] == "response.done"


async def test_a_function_that_the_client_did_not_offer_is_no_business_of_its(talk):
    one, socket = talk()
    await one.say(ToolCall(0, "c", "look", {}))
    assert "response.created" not in socket.types()


async def test_words_before_any_turn_and_an_error_that_is_survived_are_told_as_they_can_be(talk):
    one, socket = talk()
    await one.say(UserPartial(0, "hello", final=True))
    await one.say(Failure(0, "the recogniser was late"))
    assert socket.types()[-1] == "error"
    await one.say(AssistantPartial(0, "Hi."))
    await one.say(Failure(0, "the model's process ended"))
    assert socket.types()[-1] == "response.done"
