"""The agent's end of the local line, without Pipecat."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.lines.fakes.peer import RATE_HZ, Play
from bench.lines.local import Decoder, Kind, Message, encode


class LocalPeer:
    """One connection to the caller's socket.

    Args:
        path: Where the caller listens.
    """

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self._decoder = Decoder()
        self._sent = 0

    def send(self, message: Message) -> None:
        """Sends any message of the line."""
        self.socket.sendall(encode(message))

    def speak(self, pcm: bytes) -> None:
        """See `Peer.speak`."""
        self.send(Message(Kind.AUDIO_OUT, 0, self._sent, 0, time.monotonic_ns(), pcm))
        self._sent += 1

    def wait_for_chunk(self, k: int) -> None:
        """See `Peer.wait_for_chunk`."""
        while data := self.socket.recv(4096):
            for message in list(self._decoder.feed(data)):
                if message.kind is Kind.BYE or message.seq >= k:
                    return


@contextmanager
def playing(path: str, play: Play) -> Iterator[None]:
    """Within, an agent is connected to ``path``, ready, and does what ``play`` says."""

    def work() -> None:
        peer = LocalPeer(path)
        peer.send(Message(Kind.READY, a=RATE_HZ))
        with peer.socket:
            play(peer)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()
