"""Twilio Media Streams, the server's half: messages in, messages and commands out, no socket."""

import base64
import json

import numpy as np
import pytest

from pipelines.audio.reply_resample import ReplyResampler
from pipelines.server.protocols.commands import HangUp, Hear, PressKey
from pipelines.server.protocols.twilio import Greeting, TwilioCall
from pipelines.server.protocols.twilio_request import is_twilios, signature, twiml
from pipelines.wires import g711, twilio
from pipelines.wires.error import WireError


def start(parameters=None):
    return twilio.start("MZ1", "CA1", parameters or {})


def begun():
    return TwilioCall(twilio.Start("MZ1", "CA1", {}), 24_000, 24_000)


def greeted(*messages):
    greeting = Greeting()
    return [greeting.receive(json.dumps(message)) for message in messages]


def say(call, message):
    return call.receive(json.dumps(message))


def tone(seconds, rate_hz):
    return (8000 * np.sin(2 * np.pi * 500 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(
        np.int16
    )


def spoken(messages):
    payloads = [base64.b64decode(m["media"]["payload"]) for m in messages if m["event"] == "media"]
    assert {len(p) for p in payloads} <= {160}
    return g711.decode(b"".join(payloads))


def test_a_call_begins_with_twilios_two_messages():
    begun = twilio.Start("MZ1", "CA1", {"who": "me"})
    assert greeted(twilio.connected(), start({"who": "me"})) == [None, begun]


def test_20_ms_of_mu_law_are_heard_as_20_ms_at_24_khz():
    call = begun()
    heard = []
    pcm = tone(0.2, 8_000)
    for k in range(10):
        codes = g711.encode(pcm[160 * k : 160 * (k + 1)])
        (hear,) = say(call, twilio.inbound("MZ1", k + 2, k, codes))
        assert isinstance(hear, Hear)
        heard.append(hear.pcm)
    assert {len(h) for h in heard} == {480}
    expected = 8000 * np.sin(2 * np.pi * 500 * (np.arange(4800) / 24_000 - 0.004))
    assert np.abs(np.concatenate(heard) - expected)[400:].max() < 250


def test_a_reply_is_sent_to_its_last_sample_in_messages_of_20_ms_and_then_a_mark():
    call = begun()
    reply = tone(0.205, 24_000)  # no whole number of messages
    for n in range(0, len(reply), 480):
        call.agent_audio(reply[n : n + 480])
    call.agent_done()
    messages = call.take()
    assert messages[-1] == twilio.mark("MZ1", "reply-1")
    pcm = spoken(messages).astype(int)
    assert len(pcm) == 11 * 160  # 1640 samples, 32 of the filter, silence up to a whole message
    expected = 8000 * np.sin(2 * np.pi * 500 * np.arange(1640) / 8_000)
    assert np.abs(pcm[32 : 32 + 1640] - expected)[60:-40].max() < 250
    assert np.abs(pcm[32 + 1640 - 40 : 32 + 1640]).max() > 7000
    call.agent_done()
    assert call.take() == []


def test_a_chunk_of_20_ms_goes_out_at_once():
    call = begun()
    call.agent_audio(tone(0.02, 24_000))
    assert len(call.take()) == 1


def test_marks_come_back_when_a_reply_was_heard_and_unknown_ones_are_passed_over():
    call = begun()
    for _ in range(2):
        call.agent_audio(tone(0.02, 24_000))
        call.agent_done()
    assert call.unheard == ["reply-1", "reply-2"]
    say(call, twilio.mark("MZ1", "reply-1"))
    say(call, twilio.mark("MZ1", "another"))
    assert call.unheard == ["reply-2"]


def test_an_interruption_clears_and_drops_the_rest():
    call = begun()
    call.agent_audio(tone(0.03, 24_000))
    call.take()
    call.interrupted()
    assert call.take() == [twilio.clear("MZ1")]
    call.agent_done()
    assert call.take() == []
    call.agent_audio(np.zeros(480, np.int16))
    assert not spoken(call.take()).any()  # nothing of the reply before


def test_a_key_and_the_end_of_the_call_are_commands():
    call = begun()
    assert say(call, {"event": "dtmf", "dtmf": {"digit": "5"}}) == [PressKey("5")]
    assert say(call, twilio.stop("MZ1", "CA1", 3)) == [HangUp()]


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ([start()], "first message is 'connected'"),
        ([twilio.connected(), twilio.connected()], "second message is 'start'"),
        (
            [
                twilio.connected(),
                {
                    **start(),
                    "start": {
                        **start()["start"],
                        "mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16_000},
                    },
                },
            ],
            "mediaFormat is .*audio/x-l16.*: only",
        ),
    ],
)
def test_what_no_call_of_twilios_says_ends_it_in_a_sentence(messages, sentence):
    with pytest.raises(WireError, match=sentence):
        greeted(*messages)


def test_a_message_of_more_than_a_second_ends_the_call():
    with pytest.raises(WireError, match="a payload of 8001 bytes: 8000 are the most"):
        say(begun(), twilio.inbound("MZ1", 2, 0, b"\xff" * 8_001))


FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"


def test_the_signature_is_that_of_twilios_own_example():
    assert signature("12345", URL, FORM.items()) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize(
    ("url", "right"),
    [
        (URL, True),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", True),
        ("https://mycompany.com:8443/myapp.php?foo=1&bar=2", False),
        ("http://mycompany.com/myapp.php?foo=1&bar=2", False),
        ("https://mycompany.com/myapp.php?foo=1", False),
    ],
)
def test_a_request_is_twilios_only_by_the_address_that_was_called(url, right):
    assert is_twilios("12345", url, FORM.items(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=") is right


@pytest.mark.parametrize(
    ("token", "form", "given"),
    [
        ("12346", FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("12345", {**FORM, "Digits": "1235"}, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("12345", FORM, ""),
        ("12345", FORM, "é"),
    ],
)
def test_a_wrong_token_form_or_signature_is_refused(token, form, given):
    assert not is_twilios(token, URL, form.items(), given)


def test_the_twiml_holds_the_address_and_the_parameters_escaped():
    text = twiml("wss://host/twilio/media", {"ticket": 'a"<b'})
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
        '<Stream url="wss://host/twilio/media"><Parameter name="ticket" value=\'a"&lt;b\'/>'
        "</Stream></Connect></Response>"
    )


def test_replies_are_resampled_each_to_its_end_and_none_leaks_into_the_next():
    rate = ReplyResampler(24_000, 8_000)
    assert rate.delay_s == 0.004
    loud = np.full(2_400, 8_000, np.int16)
    out = np.concatenate((rate.feed(loud), rate.end()))
    assert len(out) == 832
    assert abs(int(out[400]) - 8_000) <= 1
    assert len(rate.end()) == 0
    assert not rate.feed(np.zeros(240, np.int16)).any()
