"""Local servers that speak the protocols of hosted services, as far as Pipecat's classes use them.

They detect when the user falls silent, and answer with a tone: they test that a preset's service
connects, is configured, and that its messages become the frames that we measure. Their messages
follow the vendors' documentation; none was checked with a vendor.
"""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

SAID = "hello there"
"""The user's words as the doubles transcribe them."""
ANSWER = "Hello to you."
"""The answer of the doubles, in words."""
TONE_S = 0.5
LOUD = 300
SILENT_S = 0.3


@dataclass(slots=True)
class Heard:
    """What a double received, for tests."""

    url: str = ""
    certificate: str = ""
    """TLS certificate file of a double whose client speaks only TLS."""
    keys: list[str] = field(default_factory=list)
    """Keys that came in headers."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """JSON messages received, without audio."""


def tone(rate_hz: int) -> bytes:
    """The answer's audio."""
    n = int(TONE_S * rate_hz)
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(n) / rate_hz)).astype(np.int16).tobytes()


class TurnEnd:
    """Detects when the user began, and when the user has been silent for `SILENT_S`."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        """Rate of its input."""
        self._speaking = False
        self._silent_s = 0.0

    def hear(self, pcm: bytes) -> str:
        """``began``, ``ended`` or nothing."""
        samples = np.frombuffer(pcm, np.int16)
        if len(samples) and int(np.abs(samples.astype(np.int32)).max()) > LOUD:
            self._silent_s, began = 0.0, not self._speaking
            self._speaking = True
            return "began" if began else ""
        self._silent_s += len(samples) / self.rate_hz
        if self._speaking and self._silent_s >= SILENT_S:
            self._speaking = False
            return "ended"
        return ""


Talk = Callable[[ServerConnection, Heard], Awaitable[None]]


async def _openai(socket: ServerConnection, heard: Heard) -> None:
    """OpenAI Realtime, and Azure's: JSON events with base64 PCM at 24 kHz."""
    number = 0

    async def tell(kind: str, **values: Any) -> None:
        nonlocal number
        number += 1
        await socket.send(json.dumps({"event_id": f"event_{number}", "type": kind, **values}))

    await tell("session.created", session={})
    ear = TurnEnd(24_000)
    async for raw in socket:
        message = json.loads(raw)
        if message["type"] != "input_audio_buffer.append":
            heard.messages.append(message)
            if message["type"] == "session.update":
                await tell("session.updated", session={})
            continue
        event = ear.hear(base64.b64decode(message["audio"]))
        item = {"id": "item_1", "type": "message", "role": "user", "content": []}
        part = {"item_id": "item_1", "content_index": 0}
        if event == "began":
            await tell("input_audio_buffer.speech_started", audio_start_ms=0, item_id="item_1")
        elif event == "ended":
            await tell("input_audio_buffer.speech_stopped", audio_end_ms=1000, item_id="item_1")
            await tell("conversation.item.added", item=item)
            await tell(
                "conversation.item.input_audio_transcription.completed", transcript=SAID, **part
            )
            of = {"response_id": "resp_1", "item_id": "item_2"}
            of_part: dict[str, Any] = {**of, "output_index": 0, "content_index": 0}
            response = {"id": "resp_1", "status": "in_progress", "output": []}
            await tell("response.created", response=response)
            answer = {"id": "item_2", "type": "message", "role": "assistant", "content": []}
            await tell("conversation.item.added", item=answer)
            await tell("response.output_audio_transcript.delta", delta=ANSWER, **of_part)
            audio = base64.b64encode(tone(24_000)).decode()
            await tell("response.output_audio.delta", delta=audio, **of_part)
            await tell("response.done", response={**response, "status": "completed"})


async def _ultravox(socket: ServerConnection, heard: Heard) -> None:
    """Ultravox: binary PCM at 48 kHz, and JSON beside it."""

    async def tell(kind: str, **values: Any) -> None:
        await socket.send(json.dumps({"type": kind, **values}))

    await tell("state", state="listening")
    ear = TurnEnd(48_000)
    async for raw in socket:
        if isinstance(raw, str):
            heard.messages.append(json.loads(raw))
        elif ear.hear(raw) == "ended":
            await tell("transcript", role="user", medium="voice", text=SAID, final=True)
            await tell("state", state="speaking")
            await tell("transcript", role="agent", medium="voice", delta=ANSWER, final=False)
            await socket.send(tone(48_000))
            await tell("transcript", role="agent", medium="voice", text=ANSWER, final=True)
            await tell("state", state="listening")


async def _elevenlabs(socket: ServerConnection, heard: Heard) -> None:
    """ElevenLabs' multi-stream input: text in, base64 PCM out, a context per answer."""
    path = socket.request.path if socket.request else ""
    rate_hz = int(path.partition("output_format=pcm_")[2].partition("&")[0] or 24_000)
    async for raw in socket:
        message = json.loads(raw)
        heard.messages.append(message)
        context = message.get("context_id")
        if message.get("close_context"):
            await socket.send(json.dumps({"contextId": context, "isFinal": True}))
        elif message.get("text", "").strip():
            audio = base64.b64encode(tone(rate_hz)).decode()
            await socket.send(json.dumps({"contextId": context, "audio": audio}))


async def _cartesia(socket: ServerConnection, heard: Heard) -> None:
    """Cartesia's websocket: transcripts in, base64 PCM out, a context per answer."""
    async for raw in socket:
        message = json.loads(raw)
        heard.messages.append(message)
        of = {"context_id": message.get("context_id"), "status_code": 206, "done": False}
        if message.get("transcript", "").strip():
            audio = base64.b64encode(tone(message["output_format"]["sample_rate"])).decode()
            await socket.send(json.dumps({"type": "chunk", "data": audio, **of}))
        if message.get("continue") is False:
            await socket.send(json.dumps({"type": "done", **of, "done": True}))


async def _deepgram(socket: ServerConnection, heard: Heard) -> None:
    """Deepgram's live recognition: binary PCM in, results as JSON out."""
    path = socket.request.path if socket.request else ""
    ear = TurnEnd(int(path.partition("sample_rate=")[2].partition("&")[0] or 16_000))
    async for raw in socket:
        if isinstance(raw, str):
            heard.messages.append(json.loads(raw))
        elif ear.hear(raw) == "ended":
            alternative = {"transcript": SAID, "confidence": 0.99, "words": []}
            told = {
                "type": "Results",
                "channel_index": [0, 1],
                "start": 0.0,
                "duration": 1.0,
                "is_final": True,
                "speech_final": True,
                "from_finalize": False,
                "channel": {"alternatives": [alternative]},
                "metadata": {
                    "request_id": "r",
                    "model_uuid": "m",
                    "model_info": {"name": "double", "version": "0", "arch": "none"},
                },
            }
            await socket.send(json.dumps(told))


async def _gemini(socket: ServerConnection, heard: Heard) -> None:
    """Gemini Live: JSON with base64 PCM, 16 kHz in (its type says so) and 24 kHz out."""

    async def tell(**content: Any) -> None:
        await socket.send(json.dumps(content))

    ear = TurnEnd(16_000)
    async for raw in socket:
        message = json.loads(raw)
        audio = (message.get("realtimeInput") or message.get("realtime_input") or {}).get("audio")
        if audio is None:
            heard.messages.append(message)
            if "setup" in message:
                await tell(setupComplete={})
            continue
        kind = audio.get("mimeType") or audio.get("mime_type") or ""
        ear.rate_hz = int(kind.partition("rate=")[2] or 16_000)
        if ear.hear(base64.urlsafe_b64decode(audio["data"])) == "ended":
            part = {
                "inlineData": {
                    "mimeType": "audio/pcm;rate=24000",
                    "data": base64.b64encode(tone(24_000)).decode(),
                }
            }
            await tell(serverContent={"inputTranscription": {"text": f"{SAID}."}})
            await tell(serverContent={"modelTurn": {"role": "model", "parts": [part]}})
            await tell(serverContent={"outputTranscription": {"text": ANSWER}})
            usage = {"promptTokenCount": 1, "responseTokenCount": 1, "totalTokenCount": 2}
            await tell(serverContent={"turnComplete": True}, usageMetadata=usage)


_WEBSOCKETS: dict[str, Talk] = {
    "openai-realtime": _openai,
    "azure-realtime": _openai,
    "gemini-live": _gemini,
    "ultravox": _ultravox,
    "deepgram": _deepgram,
    "elevenlabs": _elevenlabs,
    "cartesia": _cartesia,
}
_TLS = frozenset({"gemini-live"})
"""Doubles whose client speaks only TLS."""


@asynccontextmanager
async def double(service: str) -> AsyncIterator[Heard]:
    """Serves a service's protocol on this machine; its address is `Heard.url`."""
    heard = Heard()
    if service == "qwen":
        async with _chat(heard):
            yield heard
        return
    talk = _WEBSOCKETS[service]

    async def handle(socket: ServerConnection) -> None:
        headers = socket.request.headers if socket.request else {}
        names = ("Authorization", "api-key", "xi-api-key", "X-API-Key", "x-goog-api-key")
        heard.keys += [headers[name] for name in names if name in headers]
        await talk(socket, heard)

    with tempfile.TemporaryDirectory(prefix="duplex-lab-double-") as folder:
        secure = None
        if service in _TLS:
            from pipelines.certificate import context, pem

            held = pem([])
            secure, path = context([], held), Path(folder) / "double.pem"
            path.write_bytes(held)
            heard.certificate = str(path)
        async with serve(handle, "127.0.0.1", 0, ssl=secure) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            heard.url = f"{'wss' if secure else 'ws'}://127.0.0.1:{port}"
            yield heard


@asynccontextmanager
async def _chat(heard: Heard) -> AsyncIterator[None]:
    """OpenAI's chat completions, as Qwen and many others serve them: server-sent events."""
    from aiohttp import web

    async def complete(request: web.Request) -> web.StreamResponse:
        heard.keys.append(request.headers.get("Authorization", ""))
        heard.messages.append(await request.json())
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.force_close()  # the client's class never closes what it keeps open
        await response.prepare(request)
        for word in ANSWER.split(" "):
            chunk = {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": "double",
                "choices": [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None}],
            }
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
            await asyncio.sleep(0)
        await response.write(b"data: [DONE]\n\n")
        return response

    app = web.Application()
    app.router.add_post("/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
    finally:
        await runner.cleanup()
