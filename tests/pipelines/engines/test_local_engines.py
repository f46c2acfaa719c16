"""Whisper, Piper and llama.cpp through their real loaders, on models with random weights."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.engines.model_files import has_random_weights
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.processes import answer_tokens, tts_engine
from pipelines.engines.stt.agreement import LocalAgreement
from pipelines.engines.synthetic.words import SYNTHETIC_KEY, word_tokens
from pipelines.errors import ModelError
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.engine import EngineError
from pipelines.weights.gguf import read_facts
from tests.pipelines.local_engines import NOISE, RATE_HZ, Start, hear, made_here


@pytest.fixture(scope="session")
def whisper_folder() -> Path:
    return made_here("faster-whisper")


@pytest.fixture(scope="session")
def voice_path() -> Path:
    return made_here("piper")


@pytest.fixture(scope="session")
def gguf_file() -> Path:
    return made_here("llama")


# LocalAgreement-2


def test_what_two_decodings_in_a_row_begin_with_is_agreed_on() -> None:
    table = [
        ("go", ""),
        ("go for", "go"),
        ("go forward ten", "go"),
        ("Go forward, then", "go forward,"),
        ("go forward ten metres", "go forward,"),
        ("go forward ten metres", "go forward, ten metres"),
        ("stop", "go forward, ten metres"),  # what was agreed on is not taken back
    ]
    agreement = LocalAgreement()
    assert [agreement.feed(words.split()) for words, _ in table] == [agreed for _, agreed in table]


# random weights


def test_made_up_words_are_all_different_and_as_many_as_a_vocabulary_needs() -> None:
    tokens = word_tokens(150_000)
    assert len(set(tokens)) == 150_000 and tokens[0] == "Ġbaba"
    assert all(t[1:].isascii() and t[1:].isalpha() for t in tokens[::999])


def test_random_weights_say_so_in_their_own_files(
    whisper_folder: Path, voice_path: Path, gguf_file: Path
) -> None:
    assert read_facts(gguf_file)[SYNTHETIC_KEY] is True
    made = (("faster-whisper", whisper_folder), ("llama", gguf_file), ("piper", voice_path))
    for engine, path in made:
        assert has_random_weights(engine, str(path))
    assert not has_random_weights("llama", "creature-3m")


def test_a_model_without_a_chat_template_is_told_what_to_take(
    gguf_file: Path, tmp_path: Path
) -> None:
    from pipelines.engines.llm.llama import LlamaEngine

    bare = tmp_path / "bare.gguf"
    bare.write_bytes(gguf_file.read_bytes().replace(b"tokenizer.chat_template", b"x" * 23))
    with pytest.raises(EngineError, match=r"no chat template.*'instruct' or 'chat'"):
        LlamaEngine(model=str(bare)).load()


# speech to text


@pytest.mark.parametrize("window", ["full", "short"])
async def test_whisper_says_three_words_for_each_second(
    whisper_folder: Path, start: Start, window: Any
) -> None:
    options = SttOptions(
        engine="faster-whisper", model=str(whisper_folder), window=window, partials=False
    )
    process = await start(options)
    (reply,) = await hear(process, NOISE)
    words = reply["final"].split()
    assert len(words) == 6 and all(w.isalpha() for w in words)
    assert await hear(process, NOISE) == [reply]


async def test_whisper_streams_partials_that_grow(whisper_folder: Path, start: Start) -> None:
    marks = MarkList()
    options = SttOptions(
        engine="faster-whisper", model=str(whisper_folder), window="short", step_ms=100,
        forced_tokens_per_s=20,
    )  # fmt: skip
    process = await start(options, marks)
    request = process.open("utterance", {}, fed=True)
    seen: list[str] = []
    for at in range(0, len(NOISE), RATE_HZ // 10):
        request.feed(payload=NOISE[at : at + RATE_HZ // 10].tobytes(), last=False)
        await asyncio.sleep(0.05)
    request.feed(last=True)
    async for header, _ in request:
        seen += [header["partial"]] if "partial" in header else []
    assert seen and all(b.startswith(a) and len(b) > len(a) for a, b in itertools.pairwise(seen))
    events = [m.event for m in marks.marks if m.stage == "stt"]
    assert events == ["partial"] * len(seen) + ["final"]


async def test_whisper_drops_a_cancelled_utterance_and_hears_the_next(
    whisper_folder: Path, start: Start
) -> None:
    options = SttOptions(engine="faster-whisper", model=str(whisper_folder), partials=False)
    process = await start(options)
    request = process.open("utterance", {}, fed=True)
    request.feed(payload=NOISE.tobytes(), last=False)
    request.cancel()
    await request.wait_ended()
    assert len((await hear(process, NOISE))[0]["final"].split()) == 6


@pytest.fixture
def not_whole(whisper_folder: Path, tmp_path: Path) -> Path:
    for file in whisper_folder.iterdir():
        if file.name != "tokenizer.json":
            (tmp_path / file.name).symlink_to(file)
    return tmp_path


async def test_a_whisper_that_is_not_whole_is_refused_before_anything_is_looked_for(
    not_whole: Path, start: Start
) -> None:
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json: give a Whisper"):
        await start(SttOptions(engine="faster-whisper", model=str(not_whole)))


# text to speech

PER_ID = 3 * 256
SHORT = "Okay."


async def test_piper_speaks_with_the_moment_of_each_phoneme(voice_path: Path, start: Start) -> None:
    marks = MarkList()
    process = await start(TtsOptions(engine="piper", model=str(voice_path)), marks)
    replies = [r async for r in process.request("speak", {"text": f"{SHORT} Done."})]
    samples = sum(len(pcm) // 2 for _, pcm in replies)
    sentences = [header["phones"] for header, _ in replies if "phones" in header]
    assert len(sentences) == 2
    first, second = [
        [(phone, round(start * 22.05), round(end * 22.05)) for phone, start, end in sentence]
        for sentence in sentences
    ]
    assert first[0][:2] == ("^", 0) and first[-1][0] == "$"
    # A phoneme and the pause after it are two ids, the last has no pause: each of 3 frames.
    assert [end - start for _, start, end in first[:-1]] == [2 * PER_ID] * (len(first) - 1)
    assert [start for _, start, _ in first[1:]] == [end for _, _, end in first[:-1]]
    assert second[0][:2] == ("^", first[-1][1] + PER_ID)
    assert samples == second[-1][1] + PER_ID
    # The first stretch is 8 frames, the second 16: pieces of 100 ms at most.
    assert [len(pcm) // 2 for _, pcm in replies[:3]] == [8 * 256, 2205, 16 * 256 - 2205]
    events = {m.event: m.value for m in marks.marks if m.stage == "tts"}
    assert list(events) == ["first_byte", "first_audible", "end"] and events["end"] == samples


async def test_piper_stops_within_a_sentence_when_it_is_cancelled(
    voice_path: Path, start: Start
) -> None:
    process = await start(TtsOptions(engine="piper", model=str(voice_path)))
    whole = sum([len(pcm) async for _, pcm in process.request("speak", {"text": SHORT})])
    request = process.open("speak", {"text": "one two three four five " * 60})
    async for _ in request:
        break
    request.cancel()
    await request.wait_ended()
    assert process.running
    again = sum([len(pcm) async for _, pcm in process.request("speak", {"text": SHORT})])
    assert again == whole


async def test_piper_without_its_configuration_says_which_file_is_missing(
    voice_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "voice.onnx").symlink_to(voice_path)
    with pytest.raises(ModelError, match=r"\[tts\]: the voice's file .*voice\.onnx\.json is not"):
        tts_engine(TtsOptions(engine="piper", model=str(tmp_path / "voice.onnx")))


async def test_a_voice_that_is_no_network_is_one_sentence(
    voice_path: Path, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "voice.onnx").write_bytes(b"<html>")
    (tmp_path / "voice.onnx.json").symlink_to(voice_path.with_name("voice.onnx.json"))
    with pytest.raises(ModelError, match=r"Piper can't load .*voice\.onnx .*fetch the voice again"):
        await start(TtsOptions(engine="piper", model=str(tmp_path / "voice.onnx")))


# language model

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize("engine", ["llama", "llama-cpp-python"])
async def test_random_weights_answer_in_words_at_the_length_that_is_forced_on_them(
    gguf_file: Path, start: Start, engine: str
) -> None:
    if engine == "llama-cpp-python" and environment.find("llama") is None:
        pytest.skip("llama-cpp-python is compiled for minutes: duplex-lab engines build llama")
    options = LlmOptions(engine=engine, model=str(gguf_file), forced_tokens=11)
    assert answer_tokens(options) == 11
    assert answer_tokens(replace(options, model="creature-3m")) == options.max_tokens
    process = await start(options)
    body = {"messages": MESSAGES, "max_tokens": answer_tokens(options)}
    replies = [header async for header, _ in process.request("chat", body)]
    texts = [h["text"] for h in replies if h.get("text")]
    assert len(texts) == 11 and all(t.strip(" ,.").isalpha() for t in texts)
    request = process.open("chat", body | {"max_tokens": 400})
    async for _ in request:
        break
    request.cancel()
    await request.wait_ended()
    assert process.running


async def test_the_prefix_cache_is_kept_between_the_turns_of_a_conversation(
    gguf_file: Path, start: Start
) -> None:
    marks = MarkList()
    process = await start(LlmOptions(model=str(gguf_file)), marks)

    async def prompt(messages: list[dict[str, str]]) -> tuple[float, float]:
        """(tokens that were read, tokens that were in the cache)."""
        del marks.marks[:]
        async for _ in process.request("chat", {"messages": messages, "max_tokens": 4}):
            pass
        told = {m.event: m.value for m in marks.marks if m.stage == "llm"}
        assert {"end", "prompt_read", "prompt_cached"} <= set(told)
        return told["prompt_read"], told["prompt_cached"]

    system = {"role": "system", "content": "The green cup is there. " * 6}
    first = [system, {"role": "user", "content": "hello"}]
    cold = await prompt(first)
    later = [*first, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go"}]
    warm = await prompt(later)
    other = await prompt([system | {"content": "x" * 140}, *later[1:]])
    assert cold[0] > 100 and warm[1] > 0.9 * sum(cold)
    assert warm[0] < cold[0] / 2 < other[0] and other[1] < warm[1] / 2
