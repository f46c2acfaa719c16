"""Moonshine, Kyutai STT, Kokoro and Pocket TTS through their real loaders, on random weights."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.engines.model_files import has_random_weights
from pipelines.engines.options import SttOptions, TtsOptions
from pipelines.engines.stt import kyutai_stt, moonshine
from pipelines.engines.tts import kokoro, pocket_tts
from pipelines.engines.tts.abortable import when_cancelled
from pipelines.errors import ModelError
from pipelines.marks import MarkList
from pipelines.process.engine import Emit, EngineError, Request
from tests.pipelines.local_engines import NOISE, RATE_HZ, Start, hear, made_here

ENGINES = ("moonshine", "kyutai-stt", "kokoro", "pocket-tts")
SPEAKERS = ("kokoro", "pocket-tts")
TEXT = "Okay, the green cup."


def options_of(engine: str, **more: Any) -> SttOptions | TtsOptions:
    model = str(made_here(engine))
    if engine in SPEAKERS:
        return TtsOptions(engine=engine, model=model, **more)
    return SttOptions(engine=engine, model=model, **more)


@pytest.mark.parametrize("engine", ENGINES)
def test_random_weights_say_so(engine: str) -> None:
    assert has_random_weights(engine, str(made_here(engine)))


# speech to text


async def test_moonshine_says_as_many_tokens_as_are_forced_on_it(start: Start) -> None:
    process = await start(options_of("moonshine", partials=False, forced_tokens_per_s=4.0))
    (once,) = await hear(process, NOISE)
    process = await start(options_of("moonshine", partials=False, forced_tokens_per_s=16.0))
    (often,) = await hear(process, NOISE)
    assert once["final"] and len(often["final"]) > 2 * len(once["final"])
    assert await hear(process, NOISE) == [often]


async def test_moonshine_streams_partials_that_grow(start: Start) -> None:
    marks = MarkList()
    process = await start(options_of("moonshine", step_ms=200, forced_tokens_per_s=20.0), marks)
    request = process.open("utterance", {}, fed=True)
    for at in range(0, len(NOISE), RATE_HZ // 10):
        request.feed(payload=NOISE[at : at + RATE_HZ // 10].tobytes(), last=False)
        await asyncio.sleep(0.05)
    request.feed(last=True)
    heard = [header async for header, _ in request]
    seen = [h["partial"] for h in heard if "partial" in h]
    assert all(b.startswith(a) and len(b) > len(a) for a, b in itertools.pairwise(seen))
    assert list(heard[-1]) == ["final"]
    events = [m.event for m in marks.marks if m.stage == "stt"]
    assert events == ["partial"] * len(seen) + ["final"]


async def test_moonshine_hears_the_next_utterance_after_a_dropped_one_as_it_would_alone(
    start: Start,
) -> None:
    process = await start(options_of("moonshine", partials=False))
    alone = await hear(process, NOISE)
    await drop_utterance(process)
    assert await hear(process, NOISE) == alone


async def test_kyutai_writes_while_it_hears_and_is_the_same_in_any_pieces(start: Start) -> None:
    process = await start(options_of("kyutai-stt"))
    heard = await hear(process, NOISE, chunk=320)
    partials = [h["partial"] for h in heard[:-1]]
    assert partials and all(b.startswith(a) for a, b in itertools.pairwise(partials))
    final = heard[-1]["final"]
    assert final.startswith(partials[-1])
    assert (await hear(process, NOISE, chunk=len(NOISE)))[-1]["final"] == final
    await drop_utterance(process)
    assert (await hear(process, NOISE))[-1]["final"] == final


async def drop_utterance(process: Any) -> None:
    request = process.open("utterance", {}, fed=True)
    request.feed(payload=NOISE[::-1].tobytes(), last=False)
    request.cancel()
    await request.wait_ended()
    assert process.running


def test_a_tone_at_24_khz_is_the_tone_that_came_at_16() -> None:
    seconds = np.arange(16000) / 16000
    tone = (8000 * np.sin(2 * np.pi * 1000 * seconds)).astype(np.int16)
    whole = kyutai_stt.To24k().feed(tone.tobytes())
    pieces = kyutai_stt.To24k()
    cut = [pieces.feed(tone[at : at + 333].tobytes()) for at in range(0, 16000, 333)]
    assert len(whole) == 24000
    np.testing.assert_allclose(np.concatenate(cut), whole, atol=1e-6)
    at_24 = np.arange(24000) / 24000 - 24 / 24000  # half the filter: 48 samples of 48 kHz
    expected = 8000 / 32768 * np.sin(2 * np.pi * 1000 * at_24)
    np.testing.assert_allclose(whole[200:], expected[200:], atol=0.003)


# text to speech


async def spoken(process: Any, text: str) -> tuple[int, list[list[Any]]]:
    replies = [reply async for reply in process.request("speak", {"text": text})]
    phones = [row for header, _ in replies for row in header.get("phones", [])]
    return sum(len(pcm) // 2 for _, pcm in replies), phones


async def test_kokoro_speaks_with_the_moment_of_each_phoneme(start: Start) -> None:
    marks = MarkList()
    process = await start(options_of("kokoro"), marks)
    samples, phones = await spoken(process, TEXT)
    # 75 ms for each phoneme and for the pause before the first and after the last.
    assert samples == (len(phones) + 2) * 3 * 600
    assert "".join(p for p, _, _ in phones).startswith("oʊkˈeɪ")
    assert [end - start for _, start, end in phones] == pytest.approx([75.0] * len(phones))
    assert phones[0][1] == pytest.approx(75.0)
    events = {m.event: m.value for m in marks.marks if m.stage == "tts"}
    assert list(events) == ["first_byte", "first_audible", "end"] and events["end"] == samples


async def test_kokoro_speaks_slower_where_it_is_told_to(start: Start) -> None:
    quick, _ = await spoken(await start(options_of("kokoro")), TEXT)
    slow, _ = await spoken(await start(options_of("kokoro", length_scale=2.0)), TEXT)
    assert slow == 2 * quick


async def test_kokoro_stops_within_a_text_and_is_silent_where_nothing_can_be_said(
    start: Start,
) -> None:
    process = await start(options_of("kokoro", voice="bf_emma"))
    whole, _ = await spoken(process, TEXT)
    request = process.open("speak", {"text": "one two three four five " * 15})
    await asyncio.sleep(0.05)  # all of a text comes at once: it is stopped before
    request.cancel()
    await request.wait_ended()
    assert process.running
    assert (await spoken(process, " … "))[0] == 0
    assert (await spoken(process, TEXT))[0] == whole


@pytest.mark.parametrize("codec", ["torch", "onnx"])
async def test_pocket_tts_streams_as_long_as_is_forced_on_it_and_stops(
    start: Start, codec: str
) -> None:
    marks = MarkList()
    options = options_of("pocket-tts", voice="marius", settings={"codec": codec})
    process = await start(options, marks)
    replies = [reply async for reply in process.request("speak", {"text": TEXT})]
    samples = math.ceil(len(TEXT) * pocket_tts.FORCED_S_PER_CHAR * 12.5) * 1920
    assert sum(len(pcm) // 2 for _, pcm in replies) == samples
    assert all(len(pcm) % (2 * 1920) == 0 for _, pcm in replies)
    assert [m.event for m in marks.marks if m.stage == "tts"][-1] == "end"
    request = process.open("speak", {"text": "one two three four five " * 15})
    async for _ in request:
        break
    request.cancel()
    await request.wait_ended()
    assert process.running
    assert (await spoken(process, " … "))[0] == 0
    assert (await spoken(process, TEXT))[0] == samples


def test_a_cancel_is_seen_while_something_computes() -> None:
    request = Request("r", "speak", {}, b"")
    stopped = threading.Event()
    with when_cancelled(Emit(request, lambda *_: None), stopped.set):
        assert not stopped.is_set()
        request.cancel()
        assert stopped.wait(10)


# what is missing


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("kokoro", r"has no voice 'nobody'; it has: af_heart, bf_emma"),
        ("pocket-tts", r"lacks nobody\.safetensors; its voices: alba, marius"),
    ],
)
async def test_an_unknown_voice_names_the_known_ones(engine: str, told: str, start: Start) -> None:
    with pytest.raises(ModelError, match=told):
        await start(options_of(engine, voice="nobody"))


def test_folders_that_are_not_whole_say_what_they_lack(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"lacks encoder_model\.ort, decoder_model_merged\.ort"):
        moonshine.architecture_of(tmp_path)
    with pytest.raises(EngineError, match=r"lacks model\.safetensors: give a Pocket TTS"):
        pocket_tts.files_of(tmp_path, "alba")
    with pytest.raises(EngineError, match=r"config\.json can't be read: give the folder of one"):
        kyutai_stt.files_of(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "moshi"}))
    with pytest.raises(EngineError, match="model_type is 'moshi', not 'stt'"):
        kyutai_stt.files_of(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "stt"}))
    with pytest.raises(EngineError, match=r"lacks model\.safetensors, mimi-pytorch"):
        kyutai_stt.files_of(tmp_path)
    with pytest.raises(EngineError, match=r"network .*kokoro\.onnx is not there"):
        kokoro.voices_of(tmp_path / "kokoro.onnx")
    (tmp_path / "kokoro.onnx").write_bytes(b"")
    with pytest.raises(EngineError, match=r"there is no file of voices \(voices\*\.bin\)"):
        kokoro.voices_of(tmp_path / "kokoro.onnx")


@pytest.mark.parametrize(
    ("engine", "broken", "told"),
    [
        ("moonshine", "encoder_model.ort", "Moonshine can't load"),
        ("kyutai-stt", "model.safetensors", "is not a safetensors file"),
        ("kokoro", "kokoro.onnx", "Kokoro can't load"),
        ("pocket-tts", "alba.safetensors", "is not a safetensors file"),
    ],
)
async def test_files_that_are_none_are_one_sentence(
    engine: str, broken: str, told: str, start: Start, tmp_path: Path
) -> None:
    folder = made_here(engine)
    folder = folder if folder.is_dir() else folder.parent
    for file in folder.iterdir():
        if file.name == broken:
            (tmp_path / broken).write_bytes(b"<html>")
        else:
            (tmp_path / file.name).symlink_to(file)
    model = str(tmp_path / broken if engine == "kokoro" else tmp_path)
    kind = TtsOptions if engine in SPEAKERS else SttOptions
    with pytest.raises(ModelError, match=told) as error:
        await start(kind(engine=engine, model=model))
    assert "\n" not in str(error.value)


def test_moonshine_is_told_by_its_files_and_its_folder_s_name(tmp_path: Path) -> None:
    for name, files in (
        ("moonshine-base@en", moonshine.WHOLE),
        ("mine", moonshine.WHOLE),
        ("tiny-streaming-en", (*moonshine.STREAMING, "streaming_config.json")),
        ("other", (*moonshine.STREAMING, "streaming_config.json")),
    ):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    found = {p.name: moonshine.architecture_of(p) for p in tmp_path.iterdir()}
    assert found == {
        "moonshine-base@en": "base",
        "mine": "tiny",
        "tiny-streaming-en": "tiny-streaming",
        "other": "small-streaming",
    }
