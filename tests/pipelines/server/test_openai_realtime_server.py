"""OpenAI's Realtime protocol, the server's half: events in, events and commands out, no socket.

Every event that any test here draws is checked by the types of the package openai.
"""

import base64
import json

import numpy as np
import pytest

from pipelines.server.protocols.commands import (
    Answer,
    GiveResult,
    Hear,
    Instruct,
    Interrupt,
    Offer,
    Tell,
)
from pipelines.server.protocols.openai_realtime import OpenAIRealtimeServer
from pipelines.server.protocols.openai_settings import Settings
from pipelines.wires import g711
from tests.pipelines.server import openai_contract


class Client:
    """A client on the other side of no socket."""

    def __init__(self, **session):
        self.server = OpenAIRealtimeServer("s", Settings("cascade-embedded"), 24_000, 24_000)
        self.events = self.take()
        if session:
            self.say("session.update", session={"type": "realtime", **session})
            assert [e["type"] for e in self.take()] == ["session.updated"]

    def take(self):
        events = self.server.take()
        for event in events:
            openai_contract.check(event)
        return events

    def types(self):
        return [event["type"] for event in self.take()]

    def say(self, kind, **fields):
        return self.server.receive(json.dumps({"type": kind, **fields}))

    def error(self):
        (event,) = self.take()
        assert event["type"] == "error"
        return event["error"]

    def append(self, pcm):
        return self.say("input_audio_buffer.append", audio=coded(np.asarray(pcm, np.int16)))


def coded(pcm):
    return base64.b64encode(pcm.tobytes()).decode()


def turns(value):
    return {"audio": {"input": {"turn_detection": value}}}


HELD = turns(None)
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}


def test_a_session_begins_with_its_name_its_preset_and_the_formats_in_effect():
    created, conversation = Client().events
    assert created["type"] == "session.created"
    session = created["session"]
    assert (session["id"], session["model"]) == ("s", "cascade-embedded")
    assert session["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert conversation["conversation"]["id"] == "conv_s"


def test_an_update_is_followed_and_what_is_in_effect_is_reported():
    client = Client()
    audio = {
        "input": {
            "format": {"type": "audio/pcmu"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
            "transcription": {"model": "whisper-1"},
            "noise_reduction": {"type": "near_field"},
        },
        "output": {"format": {"type": "audio/pcma"}, "voice": "ash", "speed": 1.5},
    }
    commands = client.say(
        "session.update",
        session={
            "type": "realtime", "instructions": "Be brief.", "audio": audio, "tools": [LOOK],
            "output_modalities": ["audio"], "tracing": "auto", "max_output_tokens": 100,
        },
    )  # fmt: skip
    assert commands == [Instruct("Be brief."), Offer((LOOK,))]
    assert client.server.settings.tools == (LOOK,)
    (updated,) = client.take()
    session = updated["session"]
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcmu"},
        "transcription": {"model": "cascade-embedded"},
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "create_response": True,
            "interrupt_response": True,
        },
    }
    assert session["audio"]["output"] == {"format": {"type": "audio/pcma"}, "speed": 1.0}
    assert (session["tracing"], session["max_output_tokens"]) == (None, "inf")


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"voise": 1}, "unknown_parameter", "session.voise"),
        (
            {"audio": {"input": {"rate": 1}}},
            "unknown_parameter",
            "session.audio.input.rate",
        ),
        ({"type": "transcription"}, "invalid_value", "session.type"),
        ({"model": "gpt-realtime"}, "model_not_found", "session.model"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"instructions": 5}, "invalid_value", "session.instructions"),
        (
            {"audio": {"input": {"format": {"type": "audio/opus"}}}},
            "invalid_value",
            "session.audio.input.format",
        ),
        (
            {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 16_000}}}},
            "invalid_value",
            "session.audio.output.format.rate",
        ),
        (turns({"type": "magic"}), "invalid_value", "session.audio.input.turn_detection"),
        (
            turns({"type": "server_vad", "create_response": False}),
            "unsupported_value",
            "session.audio.input.turn_detection.create_response",
        ),
        ({"tools": [{"type": "mcp"}]}, "invalid_value", "session.tools[0]"),
        ({"tools": [LOOK] * 129}, "invalid_value", "session.tools"),
        ({"tool_choice": "required"}, "unsupported_value", "session.tool_choice"),
        ([], "invalid_type", "session"),
    ],
)
def test_an_update_that_cannot_be_followed_changes_nothing_and_names_the_field(
    session, code, param
):
    client = Client()
    before = client.server.settings
    assert client.say("session.update", session=session, event_id="mine") == []
    error = client.error()
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert (error["param"], error["event_id"]) == (param, "mine")
    assert client.server.settings == before


def test_a_preset_that_cannot_be_instructed_or_call_functions_says_so():
    settings = Settings("duplex-nano", takes_instructions=False, takes_tools=False)
    server = OpenAIRealtimeServer("s", settings, 24_000, 24_000)
    server.take()
    update = {"type": "session.update", "session": {"instructions": "Be brief."}}
    assert server.receive(json.dumps(update)) == []
    (updated,) = server.take()
    assert updated["session"]["instructions"] == ""
    server.receive(json.dumps({"type": "session.update", "session": {"tools": [LOOK]}}))
    (error,) = server.take()
    assert error["error"]["message"] == "duplex-nano calls no functions: its model takes none"


def test_words_that_come_after_the_turn_are_sent_at_once():
    client = Client(audio={"input": {"transcription": {"model": "any"}}})
    client.server.user_started()
    client.server.user_stopped()
    client.take()
    client.server.user_words("Late.")
    assert client.types() == ["conversation.item.input_audio_transcription.completed"]


def test_a_format_can_change_until_audio_flows():
    client = Client()
    client.append(np.zeros(10))
    form = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    client.say("session.update", session=form)
    assert client.error()["param"] == "session.audio.input.format"


def test_audio_is_heard_as_it_comes_and_g711_at_24_khz():
    client = Client()
    (hear,) = client.append([1, -2, 3])
    assert isinstance(hear, Hear)
    assert hear.pcm.tolist() == [1, -2, 3]
    client = Client(audio={"input": {"format": {"type": "audio/pcmu"}}})
    tone = (8000 * np.sin(2 * np.pi * 500 * np.arange(1600) / 8000)).astype(np.int16)
    data = base64.b64encode(g711.encode(tone)).decode()
    (hear,) = client.say("input_audio_buffer.append", audio=data)
    assert isinstance(hear, Hear)
    expected = 8000 * np.sin(2 * np.pi * 500 * (np.arange(4800) / 24_000 - 0.004))
    assert len(hear.pcm) == 4800  # 200 ms; 4 ms late, half of the filter
    assert np.abs(hear.pcm - expected)[400:].max() < 250  # a step of µ-law at this level is 256


def test_the_users_turn_is_told_with_its_place_in_the_audio_of_the_session():
    client = Client(audio={"input": {"transcription": {"model": "any"}}})
    client.append(np.zeros(24_000))
    client.server.user_started(ago_ms=200)
    client.server.user_started(ago_ms=200)  # a detector that says so twice
    client.append(np.zeros(24_000))
    client.server.user_words("What's", is_final=False)
    client.server.user_words("What's the", is_final=False)
    client.server.user_words("What's the")
    client.server.user_words("time?")
    client.server.user_stopped(ago_ms=500)
    events = client.take()
    assert [e["type"] for e in events] == [
        "input_audio_buffer.speech_started",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
    ]
    assert (events[0]["audio_start_ms"], events[3]["audio_end_ms"]) == (800, 1500)
    assert [e["delta"] for e in events[1:3]] == ["What's", " the"]
    assert events[7]["usage"]["seconds"] == 0.7
    item_id = events[0]["item_id"]
    assert {e.get("item_id", item_id) for e in events} == {item_id}
    client.say("conversation.item.retrieve", item_id=item_id)
    (retrieved,) = client.take()
    content = [{"type": "input_audio", "transcript": "What's the time?"}]
    assert retrieved["item"]["content"] == content


def test_an_answer_has_the_events_of_the_protocol_in_their_order():
    client = Client()
    client.server.agent_words("Half ")
    client.server.agent_audio(np.array([1, 2], np.int16))
    client.server.agent_words("past ten.")
    client.server.agent_audio(np.array([3], np.int16))
    client.server.agent_done()
    events = client.take()
    assert [e["type"] for e in events] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    pcm = b"".join(base64.b64decode(events[n]["delta"]) for n in (5, 7))
    assert np.frombuffer(pcm, "<i2").tolist() == [1, 2, 3]
    done = events[-1]["response"]
    assert (done["status"], done["output"][0]["status"]) == ("completed", "completed")
    said = [{"type": "output_audio", "transcript": "Half past ten."}]
    assert done["output"][0]["content"] == said
    assert events[1]["item"]["content"] == []  # as it was when it began
    assert len({e["event_id"] for e in client.events + events}) == 16


def test_an_answer_in_a_law_holds_its_last_sample():
    client = Client(audio={"output": {"format": {"type": "audio/pcma"}}})
    tone = (8000 * np.sin(2 * np.pi * 500 * np.arange(4800) / 24_000)).astype(np.int16)
    for n in range(0, 4800, 480):
        client.server.agent_audio(tone[n : n + 480])
    client.server.flush()
    client.server.agent_done()
    codes = b"".join(
        base64.b64decode(e["delta"])
        for e in client.take()
        if e["type"] == "response.output_audio.delta"
    )
    pcm = g711.decode_a(codes).astype(int)
    assert len(pcm) == 1600 + 32  # 200 ms, and the filter's 4 ms
    expected = 8000 * np.sin(2 * np.pi * 500 * np.arange(1600) / 8000)
    assert np.abs(pcm[32:] - expected)[50:-50].max() < 300
    assert np.abs(pcm[-50:-32]).max() > 7000  # the tail is there


def test_an_answer_in_text_has_no_audio():
    client = Client(output_modalities=["text"])
    client.server.agent_audio(np.array([1], np.int16))
    client.server.agent_words("Hello.")
    client.server.agent_done()
    types = client.types()
    assert types[3:7] == [
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
    ]
    assert not [t for t in types if "audio" in t]


def test_an_interruption_ends_the_answer_and_what_was_heard_can_be_told():
    client = Client()
    client.server.agent_audio(np.zeros(24_000, np.int16))
    client.server.user_started()
    client.server.interrupted()
    events = client.take()
    assert events[-1]["response"]["status"] == "cancelled"
    assert events[-1]["response"]["status_details"]["reason"] == "turn_detected"
    item_id = events[-1]["response"]["output"][0]["id"]
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"
    cut = {"item_id": item_id, "content_index": 0}
    client.say("conversation.item.truncate", **cut, audio_end_ms=1001)
    assert client.error()["param"] == "audio_end_ms"
    assert client.say("conversation.item.truncate", **cut, audio_end_ms=600) == []
    assert client.types() == ["conversation.item.truncated"]
    client.server.agent_words("Yes?")
    assert client.take()[0]["type"] == "response.created"


def test_a_cancelled_answer_is_silent_until_the_agent_is_done_with_it():
    client = Client()
    client.say("response.cancel")
    assert client.error()["code"] == "response_cancel_not_active"
    client.server.agent_words("One, two")
    client.take()
    assert client.say("response.cancel") == [Interrupt()]
    assert client.take()[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    client.server.agent_audio(np.zeros(9, np.int16))
    client.server.agent_words(", three")
    assert client.take() == []
    client.server.interrupted()
    client.server.agent_words("Next.")
    assert client.types()[0] == "response.created"


def test_a_client_that_ends_turns_itself_is_heard_when_it_asks_for_an_answer():
    client = Client(**HELD)
    assert client.append(np.full(2_399, 7)) == []
    client.say("input_audio_buffer.commit")
    error = client.error()
    assert error["code"] == "input_audio_buffer_commit_empty"
    assert error["message"].endswith("the buffer holds 99.96 ms")
    client.append([7])
    assert client.say("input_audio_buffer.commit") == []
    client.server.user_started()  # the preset's detector is not the client's
    types = client.types()
    assert types == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    client.append(np.full(5, 9))
    hear, answer = client.say("response.create", response={"metadata": {"a": "b"}})
    assert isinstance(hear, Hear)
    assert (hear.pcm.tolist(), answer) == ([7] * 2_400, Answer(after_audio=True))
    (created,) = client.take()
    assert created["response"]["metadata"] == {"a": "b"}
    client.say("response.create")
    assert client.error()["code"] == "conversation_already_has_active_response"
    client.say("input_audio_buffer.clear")
    assert client.types() == ["input_audio_buffer.cleared"]
    client.server.agent_done()
    assert client.say("response.create") == [Answer(after_audio=False)]


def test_what_was_held_back_is_heard_once_turns_are_detected_again():
    client = Client(**HELD)
    client.append(np.full(240, 7))
    (hear,) = client.say("session.update", session=turns({"type": "server_vad"}))
    assert isinstance(hear, Hear)
    assert len(hear.pcm) == 240
    client.take()
    client.say("input_audio_buffer.commit")
    assert client.error()["code"] == "unsupported_value"


def test_too_much_is_not_held_back(monkeypatch):
    monkeypatch.setattr("pipelines.server.protocols.openai_input.MOST_HELD_S", 1)
    client = Client(**HELD)
    client.append(np.zeros(24_000))
    assert client.take() == []
    client.append([1])
    assert client.error()["message"] == "1 s of audio are held back at most"


def test_a_written_message_is_told_and_one_of_audio_is_heard_with_the_next_answer():
    client = Client()
    content = [
        {"type": "input_text", "text": "Listen:"},
        {"type": "input_audio", "audio": coded(np.full(3, 5, np.int16))},
    ]
    item = {"type": "message", "role": "user", "content": content, "id": "mine"}
    assert client.say("conversation.item.create", item=item) == [Tell("user", "Listen:")]
    added, done = client.take()
    assert (added["item"]["id"], done["type"]) == ("mine", "conversation.item.done")
    assert added["item"]["content"][1] == {"type": "input_audio", "transcript": None}
    hear, answer = client.say("response.create")
    assert isinstance(hear, Hear)
    assert (hear.pcm.tolist(), answer) == ([5, 5, 5], Answer(after_audio=True))


def test_items_lie_where_the_client_puts_them():
    client = Client()
    text = [{"type": "input_text", "text": "x"}]
    for name, after in (("a", None), ("b", None), ("c", "a"), ("d", "root")):
        item = {"type": "message", "role": "system", "content": text, "id": name}
        client.say("conversation.item.create", item=item, previous_item_id=after)
    previous = [e["previous_item_id"] for e in client.take()[::2]]
    assert previous == [None, "a", "a", None]
    client.say("conversation.item.delete", item_id="c")
    assert client.types() == ["conversation.item.deleted"]
    client.say("conversation.item.retrieve", item_id="c")
    assert client.error()["code"] == "item_retrieve_invalid_item_id"


def test_a_function_is_called_and_its_result_is_given_when_the_client_asks_for_an_answer():
    client = Client(tools=[LOOK])
    client.server.agent_words("Let me look.")
    client.server.tool_call("call_1", "look", '{"where":"up"}')
    assert client.types()[5:] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    client.server.agent_done()  # the words have been heard
    events = client.take()
    assert [e["type"] for e in events] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    call = events[-1]["response"]["output"][1]
    assert (call["call_id"], call["name"], call["arguments"]) == (
        "call_1", "look", '{"where":"up"}',
    )  # fmt: skip
    item = {"type": "function_call_output", "call_id": "call_1", "output": "sky"}
    assert client.say("conversation.item.create", item=item) == []
    assert client.types() == ["conversation.item.added", "conversation.item.done"]
    assert client.say("response.create") == [
        GiveResult("call_1", "sky"),
        Answer(after_audio=False, after_result=True),
    ]


def test_calls_of_one_answer_are_one_response_which_ends_with_the_last_of_them():
    client = Client(tools=[LOOK])
    client.server.tool_call("call_1", "look", "{}", goes_on=True)
    assert "response.done" not in client.types()
    client.server.tool_call("call_2", "look", "{}")
    done = client.take()[-1]
    assert [one["call_id"] for one in done["response"]["output"]] == ["call_1", "call_2"]


def test_results_that_are_given_while_the_words_before_the_call_are_spoken_are_no_error():
    client = Client(tools=[LOOK])
    client.server.agent_words("Let me look.")
    client.server.tool_call("call_1", "look", "{}")
    item = {"type": "function_call_output", "call_id": "call_1", "output": "sky"}
    client.say("conversation.item.create", item=item)
    client.take()
    assert client.say("response.create")[0] == GiveResult("call_1", "sky")
    assert client.types() == []
    client.server.agent_done()
    assert client.types()[-1] == "response.done"
    client.server.agent_words("In the sky.")
    assert client.types()[0] == "response.created"
    client.say("response.create")  # nothing is given with it
    assert client.error()["code"] == "conversation_already_has_active_response"


def test_results_without_end_are_not_kept():
    client = Client(tools=[LOOK])
    item = {"type": "function_call_output", "call_id": "c", "output": "x"}
    for _ in range(128):
        client.say("conversation.item.create", item=item)
    client.take()
    client.say("conversation.item.create", item=item)
    assert client.error()["code"] == "buffer_full"


def test_a_failure_ends_the_answer_and_says_why():
    client = Client()
    client.server.agent_words("I")
    client.take()
    client.server.failed("the model's process ended")
    done = client.take()[-1]
    assert done["response"]["status_details"]["error"]["message"] == "the model's process ended"
    client.server.failed("the model's process ended")
    error = client.error()
    assert (error["type"], error["message"]) == (
        "server_error",
        "the model's process ended",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "a message is no JSON"),
        ("[1]", "holds no JSON object"),
        (b"\xff\xfe", "a message is no JSON"),
        ('{"type":"session.destroy"}', "no event 'session.destroy'"),
        ('{"type":["a"]}', "no event"),
        ('{"type":"input_audio_buffer.append"}', "audio is no base64 text, but NoneType"),
        ('{"type":"input_audio_buffer.append","audio":"%%"}', "audio is no base64"),
        ('{"type":"input_audio_buffer.append","audio":"AAA="}', None),
        ('{"type":"input_audio_buffer.append","audio":"AA=="}', "half a sample arrived"),
        ('{"type":"conversation.item.create"}', "item is missing"),
        ('{"type":"conversation.item.create","item":{"type":"mcp_call"}}', "is not served"),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"root"}}',
            "item.role = 'root'",
        ),
        (
            '{"type":"conversation.item.create","item":{"type":"message","role":"user",'
            '"content":[{"type":"input_image"}]}}',
            "a part of type 'input_image' is not served",
        ),
        ('{"type":"conversation.item.truncate","item_id":"x"}', "has no item 'x'"),
        ('{"type":"response.create","response":{"instructions":"x"}}', "is not served"),
        ('{"type":"response.create","response":{"output_modalities":["x"]}}', "must be"),
        ('{"type":"session.update"}', "session is no object"),
    ],
)
def test_what_is_not_of_the_protocol_is_one_error_and_the_session_goes_on(text, said):
    client = Client()
    commands = client.server.receive(text)
    if said is None:
        assert len(commands) == 1
    else:
        assert commands == []
        assert said in client.error()["message"]
    assert len(client.append([1])) == 1
