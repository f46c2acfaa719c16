"""Engines that do nothing useful, on purpose: they replace models in tests and drills."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from pipelines.process.engine import Emit, EngineError, Request, pieces


class EchoEngine:
    """Answers with the question; the words of ``run`` are its methods below."""

    def __init__(self, *, greeting: str = "") -> None:
        self._greeting = greeting

    def load(self) -> None:
        """Nothing to load."""

    def warm_up(self) -> None:
        """Nothing to warm."""

    def run(self, request: Request, emit: Emit) -> None:
        """Serves ``echo``, ``count``, ``collect``, ``marks``, ``crash``, ``hang``, ``raise``…"""
        getattr(self, f"_{request.op}")(request, emit)

    def _echo(self, request: Request, emit: Emit) -> None:
        emit({"greeting": self._greeting, **request.header}, request.payload)

    def _count(self, request: Request, emit: Emit) -> None:
        """``n`` replies, ``interval_s`` apart, until cancelled."""
        for index in range(int(request.header["n"])):
            if emit.cancelled:
                return
            time.sleep(float(request.header.get("interval_s", 0)))
            emit({"index": index})

    def _collect(self, request: Request, emit: Emit) -> None:
        """Answers the pieces that it was fed, joined."""
        emit({"last": True}, b"".join(payload for _, payload in pieces(request)))

    def _marks(self, request: Request, emit: Emit) -> None:
        emit.mark("llm", "first_token")
        emit({})
        emit.mark("llm", "end", text="done")

    def _complain(self, request: Request, emit: Emit) -> None:
        raise EngineError("the question was not understood: ask another")

    def _raise(self, request: Request, emit: Emit) -> None:
        raise ValueError("a bug")

    def _crash(self, request: Request, emit: Emit) -> None:
        print("I am about to crash", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    def _hang(self, request: Request, emit: Emit) -> None:
        threading.Event().wait()

    def _freeze(self, request: Request, emit: Emit) -> None:
        """Begins, and reports that, before it hangs."""
        emit({})
        threading.Event().wait()

    def _deaf(self, request: Request, emit: Emit) -> None:
        """Replies without end, cancelled or not."""
        while True:
            time.sleep(0.01)
            emit({})

    def _linger(self, request: Request, emit: Emit) -> None:
        """Takes ``tail_s`` to stop when it is cancelled, and sends a last word even then."""
        emit({})
        while not emit.cancelled:
            time.sleep(0.01)
        time.sleep(float(request.header["tail_s"]))
        emit.mark("llm", "end", text="late")

    def _environment(self, request: Request, emit: Emit) -> None:
        print("a line on stdout")
        names = ("OMP_NUM_THREADS", "PYTHONPATH")
        emit({name: os.environ.get(name) for name in names} | {"pid": os.getpid()})


class WarmingEngine(EchoEngine):
    """Counts how often it was warmed up."""

    def __init__(self) -> None:
        super().__init__()
        self._times_warm = 0

    def warm_up(self) -> None:
        """Counts."""
        self._times_warm += 1

    def _times(self, request: Request, emit: Emit) -> None:
        emit({"times": self._times_warm})

    def _hang(self, request: Request, emit: Emit) -> None:
        """Until it is cancelled."""
        while not emit.cancelled:
            time.sleep(0.01)


class FailingEngine(EchoEngine):
    """Fails to load."""

    def load(self) -> None:
        """Raises what a real engine says when its file is missing."""
        raise EngineError("the file model.bin is missing: run 'make models'")


class CrashingEngine(EchoEngine):
    """Dies while it loads."""

    def load(self) -> None:
        """Ends the process, with a last line on stderr."""
        print("cannot map the weights", file=sys.stderr, flush=True)
        os._exit(3)


class StuckEngine(EchoEngine):
    """Never finishes loading."""

    def load(self) -> None:
        """Waits without end."""
        threading.Event().wait()


class ParrotEngine:
    """Replaces all three stages of a cascade, with the words of its options."""

    def __init__(
        self, *, heard: str = "hello", answer: str = "Okay, done.", interval_s: float = 0.0
    ) -> None:
        """``interval_s`` passes before each token and each piece of audio."""
        self._heard = heard
        self._answer = answer
        self._interval_s = interval_s

    def load(self) -> None:
        """Nothing to load."""

    def warm_up(self) -> None:
        """Nothing to warm."""

    def run(self, request: Request, emit: Emit) -> None:
        """Serves the words of the recogniser, the language model and the synthesiser."""
        if self._heard == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._heard == "hang":
            threading.Event().wait()
        getattr(self, f"_{request.op}")(request, emit)

    def _utterance(self, request: Request, emit: Emit) -> None:
        size = sum(len(pcm) for _, pcm in pieces(request))
        emit({"partial": self._heard[:1]})
        emit.mark("stt", "final", text=self._heard, value=size)
        emit({"final": self._heard})

    def _chat(self, request: Request, emit: Emit) -> None:
        tokens = [f"{word} " for word in self._answer.split()]
        for token in tokens:
            time.sleep(self._interval_s)
            if emit.cancelled:
                return
            emit({"text": token})
        emit({"tokens": len(tokens)})

    def _prime(self, request: Request, emit: Emit) -> None:
        pass

    def _speak(self, request: Request, emit: Emit) -> None:
        """20 ms of a square wave for each letter."""
        for _ in filter(str.isalpha, request.header["text"]):
            time.sleep(self._interval_s)
            if emit.cancelled:
                return
            emit({}, b"\x00\x10\x00\xf0" * 220)
        emit.mark("tts", "end")
