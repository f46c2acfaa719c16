"""The cost of an engine of a cascade: per window, per token, per second of audio, at forced
lengths.

Real loaders on models with random weights of their true sizes, asked in their own processes, as in
a trial. Times of a turn are not measured: random weights do not stop like trained ones.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipelines.engines.adapters import all_rows, row_named
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.processes import EngineSpec, llm_engine, stt_engine, tts_engine
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.process import ModelProcess

AUDIO_S = 3.0
"""Length of an utterance, s."""
FORCED_TOKENS_PER_S = 3.0
PROMPT = "The green cup is there. " * 6
"""A system message; a tokenizer of random weights knows no words, so it is some 150 tokens."""
ANSWER_TOKENS = 32
SENTENCE = "Okay, I will bring you the green cup from the shelf."
_LONG_S = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """One figure of one engine."""

    engine: str
    model: str
    threads: int
    what: str
    """Name of the time."""
    unit: str
    values: tuple[float, ...]
    """One value per repetition, in the order of measurement."""

    @property
    def median(self) -> float:
        """The median."""
        return float(np.median(self.values))


SIZES: dict[str, tuple[str, ...]] = {row.name: row.measured for row in all_rows() if row.measured}
"""Engine → the sizes measured by default."""
ON_A_GPU = tuple(name for name in SIZES if row_named(name).devices[0] == "cuda")
"""Sizes measured only on request: a processor takes seconds for each of their steps."""
OWN_THREADS = tuple(name for name in SIZES if row_named(name).own_threads)
"""Engines measured once, as 0 threads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The engines to measure, with sizes, threads and repetitions."""

    engines: Sequence[str] = tuple(e for e in SIZES if e not in ON_A_GPU)
    sizes: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(SIZES))
    """Engine → sizes."""
    threads: Sequence[int] = (1, 2)
    repeats: int = 5


async def measure(plan: Plan, tell: Callable[[str], None]) -> AsyncIterator[Cost]:
    """Measures one engine after the other; the models must have been made."""
    for threads in plan.threads:
        for engine, size in ((e, s) for e in SIZES if e in plan.engines for s in plan.sizes[e]):
            if engine in OWN_THREADS and threads != plan.threads[0]:
                continue
            told = 0 if engine in OWN_THREADS else threads
            tell(f"{engine} {size}, {told or 'its own'} threads")
            measured = MEASURES[stage_of_engine(engine)]
            for cost in await measured(engine, size, told, plan.repeats):
                yield cost


def stage_of_engine(engine: str) -> str:
    """The preset's table that names it."""
    return row_named(engine).stage


@asynccontextmanager
async def _running(engine: EngineSpec) -> AsyncIterator[ModelProcess]:
    interpreter = environment.ensure(engine.environment) if engine.environment else None
    process = ModelProcess(
        engine.name,
        engine.engine,
        engine.options,
        marks=MarkList(),
        interpreter=interpreter,
        load_timeout_s=_LONG_S,
        request_timeout_s=_LONG_S,
        cancel_grace_s=_LONG_S,
    )
    async with process:
        yield process


async def _stt(engine: str, size: str, threads: int, repeats: int) -> list[Cost]:
    """An utterance that arrives at once, decoded once at the forced length.

    Whisper also with a short window: the full one is 30 s, whatever was said.
    """
    pcm = np.random.default_rng(0).normal(0, 3000, int(AUDIO_S * 16000)).astype(np.int16)
    base = SttOptions(
        engine=engine,
        model=f"synthetic:{size}",
        threads=threads,
        partials=False,
        forced_tokens_per_s=FORCED_TOKENS_PER_S,
    )
    costs = []
    windows = "short window" in row_named(engine).capabilities
    for options in (base, replace(base, window="short")) if windows else (base,):
        times = []
        async with _running(stt_engine(options)) as process:
            for _ in range(repeats):
                began = time.perf_counter()
                request = process.open("utterance", {}, fed=True)
                request.feed(payload=pcm.tobytes(), last=False)
                request.feed(last=True)
                async for _ in request:
                    pass
                times.append(1000 * (time.perf_counter() - began))
        what = f"{AUDIO_S:g} s of audio"
        what = f"{options.window} window, {what}" if windows else what
        unit = "ms/window" if windows else "ms"
        costs.append(Cost(engine, size, threads, what, unit, tuple(times)))
    return costs


async def _llm(engine: str, size: str, threads: int, repeats: int) -> list[Cost]:
    """The first token of a new conversation, of the next turn, and of those after the first."""
    options = LlmOptions(engine=engine, model=f"synthetic:{size}", threads=threads)
    cold, warm, each = [], [], []
    async with _running(llm_engine(options)) as process:
        for i in range(repeats):
            # No two begin alike, so none of the last one is in the prefix cache.
            messages = [
                {"role": "system", "content": f"{i}: {PROMPT}"},
                {"role": "user", "content": "hello"},
            ]
            first_s, after_s = await _ask(process, messages)
            cold.append(1000 * first_s)
            each.append(1000 * after_s / (ANSWER_TOKENS - 1))
            # Its own words would be as new: random weights emit text that no tokenizer recovers.
            messages += [
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": "go on"},
            ]
            warm.append(1000 * (await _ask(process, messages))[0])
    figures = (
        ("first token, cold", "ms", cold),
        ("first token, next turn (prefix cached)", "ms", warm),
        ("each token after it", "ms/token", each),
    )
    return [Cost(engine, size, threads, what, unit, tuple(v)) for what, unit, v in figures]


async def _ask(process: ModelProcess, messages: list[dict[str, str]]) -> tuple[float, float]:
    """Time to the first token, and from there to the last, s."""
    body: dict[str, Any] = {"messages": messages, "max_tokens": ANSWER_TOKENS}
    began = time.perf_counter()
    first = last = 0.0
    async for header, _ in process.request("chat", body):
        last = time.perf_counter()
        if "text" in header:
            first = first or last
    return first - began, last - first


async def _tts(engine: str, size: str, threads: int, repeats: int) -> list[Cost]:
    """A sentence: its first audio (of Piper and Kokoro: all of it), and each second of audio."""
    options = TtsOptions(engine=engine, model=f"synthetic:{size}", threads=threads)
    spec = tts_engine(options)
    first_ms, rtf = [], []
    async with _running(spec) as process:
        for _ in range(repeats):
            began = time.perf_counter()
            first, samples = 0.0, 0
            async for _, pcm in process.request("speak", {"text": SENTENCE}):
                first = first or time.perf_counter()
                samples += len(pcm) // 2
            total_s = time.perf_counter() - began
            first_ms.append(1000 * (first - began))
            rtf.append(1000 * total_s / (samples / spec.rate_hz))
    return [
        Cost(engine, size, threads, "first audio of a sentence", "ms", tuple(first_ms)),
        Cost(engine, size, threads, "speech", "ms/s of audio", tuple(rtf)),
    ]


Measure = Callable[[str, str, int, int], Awaitable[list[Cost]]]
MEASURES: dict[str, Measure] = {"stt": _stt, "llm": _llm, "tts": _tts}
"""Stage → the measurements of one of its engines."""
