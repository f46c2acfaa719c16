"""`MoshiServer`: a Moshi or PersonaPlex server elsewhere, reached over its websocket.

``GET /api/chat`` of Kyutai's ``moshi.server``, of its Rust server and of NVIDIA's PersonaPlex
server; each binary message is one byte for its kind, then its content. We send audio only.

The meaning of a measurement through it: the server computes where we can't stamp, so there are no
service and stage times, no backlog and no drift. Nor does a frame of speech say which input frame
it answers: the j-th out counts as the answer to the j-th in, so that a frame's latency is that of
the stream (`session.wire.Reply.synchronous`). Opus holds 6.4 ms back each way (154 samples at 24
kHz, measured), so that each side's last samples of a frame come with the next packet: a frame's
wait each way. A user of such a server waits for all of this. Only PersonaPlex uses the seed.
"""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pipelines.duplex.moshi.server.link import ServerLink
from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Capabilities, Pcm, Step
from pipelines.process.engine import EngineError
from pipelines.wires.moshi import AUDIO

if TYPE_CHECKING:
    pass

PATH = "/api/chat"
PERSONAPLEX = "personaplex"
"""Prefix of model ids that are served by a server that takes prompts."""


class MoshiServer:
    """One server, by its address.

    Step t sends frame t and waits until one frame of the server's has arrived, at most
    ``patience_s``: so a frame is passed on as soon as it arrives, and a server slower than real
    time blocks nothing. Frames that pile up (a network that stalls) are passed on one a step: a
    late frame stays late, as it would for a listener.
    """

    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES

    def __init__(
        self,
        *,
        url: str,
        id: str = "moshi",
        voice_prompt: str = "",
        text_prompt: str = "",
        connect_timeout_s: float = 10.0,
        handshake_timeout_s: float = 18.0,
        silence_timeout_s: float = 15.0,
        patience_s: float = 0.070,
    ) -> None:
        """Describes the server; nothing is opened yet.

        Args:
            url: ``ws://host:port`` or ``wss://…``; a path and a query of its own are kept.
            id: ``personaplex-…`` for a server that takes prompts, else ``moshi-…``.
            voice_prompt: PersonaPlex: the name of a voice file on the server, as ``NATF0.pt``.
            text_prompt: PersonaPlex: who it is.
            connect_timeout_s: Limit for the connection itself.
            handshake_timeout_s: Limit for the server's first byte: it comes when the server is free
                (they serve one at a time) and has read its prompts. Less than the preset's
                ``frame_timeout_s``, so that this error is the one reported.
            silence_timeout_s: Longest time without a frame from a server that is sent frames.
            patience_s: Longest wait of a step; a little less than a frame.
        """
        self._url = url
        self._id = id
        self._prompts = {"voice_prompt": voice_prompt, "text_prompt": text_prompt}
        self._connect_timeout_s = connect_timeout_s
        self._handshake_timeout_s = handshake_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._patience_s = patience_s
        self._takes_prompts = id.startswith(PERSONAPLEX)
        self.capabilities = Capabilities(
            text_stream=True,
            voice_prompt=self._takes_prompts,
            text_prompt=self._takes_prompts,
            synchronous=False,
        )

    def load(self) -> None:
        """Checks the options and the packages; `open` is the first to contact the server.

        Raises:
            EngineError: a package is missing, or an option can't be used.
        """
        if urlsplit(self._url).scheme not in ("ws", "wss") or not urlsplit(self._url).hostname:
            raise EngineError(
                f"[model] url = {self._url!r} is not a server's address: write ws://host:port"
            )
        given = [name for name, value in self._prompts.items() if value]
        if given and not self._takes_prompts:
            raise EngineError(
                f"[model] {given[0]} is set, but only {PERSONAPLEX}-… servers take prompts, "
                f"and the id is {self._id!r}: remove it or correct the id"
            )
        for package in ("sphn", "websockets"):
            try:
                importlib.import_module(package)
            except ModuleNotFoundError as error:
                raise EngineError(
                    f"the package {package!r} is needed to talk to a Moshi server: install the "
                    "extra 'server' (pip install 'duplex-lab[server]')"
                ) from error

    def open(self, seed: int = 0) -> ServerSession:
        """A connection of its own; it is made on entering.

        Args:
            seed: Seed of the server's sampling; only PersonaPlex's servers use it.
        """
        return ServerSession(
            ServerLink(
                self.session_url(seed),
                connect_timeout_s=self._connect_timeout_s,
                handshake_timeout_s=self._handshake_timeout_s,
            ),
            silence_timeout_s=self._silence_timeout_s,
            patience_s=self._patience_s,
        )

    def session_url(self, seed: int) -> str:
        """The address of a session: PersonaPlex's server demands both prompts, even if empty."""
        parts = urlsplit(self._url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self._takes_prompts:
            query |= self._prompts | {"seed": str(seed)}
        path = parts.path if parts.path.strip("/") else PATH
        return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))


class ServerSession:
    """One conversation with a server; a context manager."""

    def __init__(self, link: ServerLink, *, silence_timeout_s: float, patience_s: float) -> None:
        self._link = link
        self._silence_timeout_s = silence_timeout_s
        self._patience_s = patience_s
        self._writer: Any = None

    def __enter__(self) -> ServerSession:
        import sphn

        self._link.open()
        self._writer = sphn.OpusStreamWriter(SAMPLE_RATE_HZ)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._link.close()

    def step(self, pcm: Pcm) -> Step:
        """Sends a frame; returns the oldest that has arrived, and the text since the last step.

        Raises:
            EngineError: the server closed, broke the protocol, or fell silent.
        """
        self._link.send(AUDIO, self._writer.append_pcm(pcm))
        heard, text = self._link.take(self._patience_s)
        if heard is None and self._link.silent_s > self._silence_timeout_s:
            raise EngineError(
                f"{self._link.name} has sent no audio for {self._silence_timeout_s:g} s: "
                "look at its log"
            )
        return Step(heard, text)

    def say(self, text: str) -> None:
        """The protocol has no message for it."""
        raise EngineError(
            "a server's text can't be forced from here: remove the greeting, or run the model here "
            "(backend mlx or torch)"
        )
