"""A bot for Pipecat's own runner, by each of its transports: ``python under_runner.py --port N``.

It greets, so that a caller knows that its models are loaded. The voice of each call synthesises the
greeting itself, so that all have said the same (espeak-ng's sound of a sentence depends on what it
said before). Twilio's calls are at 8 kHz both ways, as its serializer wants them. What hangs the
call up at Twilio's is replaced: nothing leaves this machine.
"""

import os

from bot_kit import ScriptedLLM, greet_by_tts, link, talk
from pipecat.runner.run import main
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

from pipelines.engines.tts.said import Said

os.environ |= {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "none"}


async def hung_up(_serializer):
    print("hung up at Twilio's", flush=True)


TwilioFrameSerializer._hang_up_call = hung_up
Said.keep = lambda *_: None


def websocket():
    return FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=True, serializer=ProtobufFrameSerializer()
    )


def telephone():
    return FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True)


async def bot(runner_args):
    ways = {"webrtc": link, "websocket": websocket, "twilio": telephone}
    await talk(runner_args, ScriptedLLM(), ways=ways, greet=greet_by_tts)


if __name__ == "__main__":
    main()
