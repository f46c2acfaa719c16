"""A recogniser's own word errors on a preset's voice: that speaks, and nothing lies between.

What the preset meant to say in a run is spoken again by the same engine with the same options, in a
process of its own, and is heard as it comes out: no line, no loudspeaker, no second speaker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.recorded.ranking import Recognise, pooled
from bench.stats.word_errors import WordErrors, word_errors
from bench.store.store import Run
from pipelines.errors import ModelError
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.process import ModelProcess

if TYPE_CHECKING:
    from pipelines.engines.processes import EngineSpec

MOST_WORDS = 300
"""Words that are spoken at most: the error of a rate of 10 % is then 3 points."""


def voice_of(preset: Mapping[str, Any]) -> EngineSpec | None:
    """The synthesiser of a preset; None if it has none of its own that runs here.

    Args:
        preset: The preset as ``run.json`` describes it.

    Raises:
        LabError: its engine or its options are of another version.
    """
    options = preset.get("stages", {}).get("tts")
    if preset.get("architecture") != "cascade" or options is None:
        return None
    from pipelines.engines.options import TtsOptions
    from pipelines.engines.processes import tts_engine
    from pipelines.spec import read_options

    return tts_engine(read_options(TtsOptions, options, "run.json [tts]"))


def meant(run: Run, preset: str) -> list[str]:
    """What a preset meant to say in a run, each text once, `MOST_WORDS` words or a few more."""
    texts: dict[str, int] = {}
    for trial in run.trials:
        if trial.preset != preset or trial.warmup:
            continue
        for mark in run.marks(trial.trial_id):
            if (mark.stage, mark.event) == ("agent", "answer_text") and mark.text:
                texts[mark.text] = len(mark.text.split())
        if sum(texts.values()) >= MOST_WORDS:
            break
    return list(texts)


def errors_on(voice: EngineSpec, texts: Sequence[str], recognise: Recognise) -> WordErrors:
    """Has a voice speak texts, and a recogniser listen.

    Raises:
        ModelError: the voice can't be loaded, or fails.
    """
    heard = (recognise(pcm, rate_hz) for pcm, rate_hz in spoken(voice, texts))
    return pooled(word_errors(text, said) for text, said in zip(texts, heard, strict=True))


def spoken(voice: EngineSpec, texts: Sequence[str]) -> Iterator[tuple[NDArray[np.int16], int]]:
    """The audio of each text, (n,), and its rate in Hz.

    Raises:
        ModelError: the voice can't be loaded, or fails.
    """
    from pipelines.engines.tts.espeak import RATE_HZ

    process = _process(voice)
    with asyncio.Runner() as runner:
        try:
            runner.run(process.ensure_running())
            for text in texts:
                audio = runner.run(_speak(process, text))
                yield np.frombuffer(audio, np.int16), voice.rate_hz or RATE_HZ
        finally:
            runner.run(process.stop())


def _process(voice: EngineSpec) -> ModelProcess:
    interpreter = environment.find(voice.environment) if voice.environment else None
    if voice.environment and interpreter is None:
        raise ModelError(
            f"The engine environment {voice.environment!r} is not built: duplex-lab engines build "
            f"{voice.environment}."
        )
    return ModelProcess(
        voice.name,
        voice.engine,
        voice.options,
        marks=MarkList(),
        interpreter=interpreter,
        request_timeout_s=voice.request_timeout_s,
        cancel_grace_s=voice.cancel_grace_s,
        load_timeout_s=voice.load_timeout_s,
    )


async def _speak(process: ModelProcess, text: str) -> bytes:
    return b"".join([pcm async for _, pcm in process.request("speak", {"text": text})])
