"""The click agent behind any line: it hears a click, and answers by one after a known delay.

It speaks through that line's fake peer in a process of its own, and stamps what it does, so that
the line's error is known: see `bench.runner.line_calibration`.
"""

from __future__ import annotations

import multiprocessing as mp
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from pipelines.click.options import CLICK_LEVEL
from pipelines.clock import NS_PER_MS, NS_PER_S, monotonic_ns

LOUD = CLICK_LEVEL // 3
"""|sample| from which a sample is a click's: a codec takes some of it."""
APART_MS = 100
"""Time after a click in which no other is one, ms."""
FRAME_MS = 80
"""Length of an answer, ms: a whole frame of every codec."""
START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Click:
    """One click that was heard, and its answer, on the machine's clock."""

    arrival_ns: int
    """Time at which the audio that holds it arrived."""
    due_ns: int
    """Time at which the answer was due."""
    written_ns: int
    """Time just before the answer was handed to the socket, or to the encoder by a track's grid;
    its click is the first sample."""


def answer_clicks(peer: Any, rate_hz: int, delay_ms: float) -> list[Click]:
    """Answers every click of one conversation.

    Args:
        peer: A `bench.lines.fakes.websocket.WebSocketPeer`.
        rate_hz: Rate of the audio that it sends.
        delay_ms: Time from the click's arrival to its answer.
    """
    pcm = np.zeros(rate_hz * FRAME_MS // 1000, np.int16)
    pcm[0] = CLICK_LEVEL
    answer = pcm.tobytes()
    due: queue.Queue[tuple[int, int] | None] = queue.Queue()
    clicks: list[Click] = []

    def write() -> None:
        while (told := due.get()) is not None:
            arrival_ns, due_ns = told
            time.sleep(max(0, due_ns - monotonic_ns()) / NS_PER_S)
            now_ns = monotonic_ns()
            clicks.append(Click(arrival_ns, due_ns, peer.speak(answer) or now_ns))

    writer = threading.Thread(target=write)
    writer.start()
    heard, last = 0, -(10**9)
    while (pcm := peer.hear()) is not None:
        arrival_ns = monotonic_ns()
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= LOUD)
        apart = peer.IN_RATE_HZ * APART_MS // 1000
        for at in loud:
            if heard + at - last > apart:
                last = heard + int(at)
                due.put((arrival_ns, arrival_ns + int(delay_ms * NS_PER_MS)))
        heard += len(pcm)
    due.put(None)
    writer.join()
    return clicks


@contextmanager
def clicking(line: str, delay_ms: float) -> Iterator[tuple[str, Connection]]:
    """Within, a click agent serves one conversation after the other, in a process of its own.

    Args:
        line: Name of the line.
        delay_ms: Time from a click's arrival to its answer.

    Yields:
        Its address, and the connection on which it reports a list of `Click` after each
        conversation.
    """
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(line, delay_ms, theirs), name="duplex-lab clicks", daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield ours.recv(), ours
    finally:
        process.kill()
        process.join()
        ours.close()


def _serve(line: str, delay_ms: float, report: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    fake = import_module(f"bench.lines.fakes.{line.replace('-', '_')}")

    def play(peer: Any) -> None:
        report.send(answer_clicks(peer, fake.RATE_HZ, delay_ms))

    with fake.serving(play) as url:
        report.send(url)
        threading.Event().wait()
