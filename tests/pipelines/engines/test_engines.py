"""The cascade's engines, with the real libraries and models."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.audio.onsets import first_audible
from pipelines.audio.resample import resample
from pipelines.engines.llm.llama import LlamaEngine
from pipelines.engines.processes import gguf_path
from pipelines.engines.stt.pocketsphinx import SENTENCES, PocketSphinxEngine
from pipelines.engines.synthetic.gguf import SIZES, write_gguf
from pipelines.engines.tts.espeak import RATE_HZ, EspeakEngine
from pipelines.errors import ModelError
from pipelines.marks import Mark, MarkList
from pipelines.process.engine import Emit, Engine, EngineError, Request, RequestCancelled
from pipelines.process.process import ModelProcess
from pipelines.weights.gguf import check_gguf

CREATURE = gguf_path("creature-3m")


class Run:
    """One request run in this process: its replies and marks."""

    def __init__(self, engine: Engine, op: str, cancel_after: int = -1, **header: Any) -> None:
        self.request = Request("r-1", op, header, b"")
        self.headers: list[dict[str, Any]] = []
        self.pieces: list[bytes] = []
        self.marks: list[Mark] = []
        self._engine = engine
        self._cancel_after = cancel_after

    def take(self, header: dict[str, Any], payload: bytes, marks: list[Mark]) -> None:
        self.headers.append(header)
        self.pieces.append(payload)
        self.marks += marks
        if len(self.headers) == self._cancel_after:
            self.request.cancel()

    def __call__(self) -> Run:
        emit = Emit(self.request, self.take)
        self._engine.run(self.request, emit)
        self.marks += emit.take_marks()
        return self

    @property
    def audio(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def events(self) -> list[str]:
        return [m.event for m in self.marks]


@pytest.fixture(scope="module")
def espeak() -> EspeakEngine:
    engine = EspeakEngine()
    engine.load()
    engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def sphinx(tmp_path_factory: pytest.TempPathFactory) -> PocketSphinxEngine:
    sentences = tmp_path_factory.mktemp("lm") / "sentences.txt"
    own = "go forward ten meters\nbring me the cup\nturn left\n"
    # Of three sentences alone the decoder is ten times slower to load.
    sentences.write_text(1000 * own + SENTENCES.read_text(encoding="utf-8"), encoding="utf-8")
    engine = PocketSphinxEngine(sentences=str(sentences))
    engine.load()
    engine.warm_up()
    return engine


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, SIZES["micro"])
    return path


@pytest.fixture(scope="module")
def llama(tiny: Path) -> LlamaEngine:
    engine = LlamaEngine(model=str(tiny), system="You are a robot.", context_tokens=512)
    engine.load()
    engine.warm_up()
    return engine


def test_espeak_speaks_pcm_at_its_own_rate_the_first_20_ms_at_once(espeak: EspeakEngine) -> None:
    run = Run(espeak, "speak", text="Okay, I will bring the cup.")()
    pcm = np.frombuffer(run.audio, np.int16)
    assert 1.0 < len(pcm) / RATE_HZ < 4.0
    assert np.abs(pcm).max() > 5000
    sizes = [len(piece) // 2 for piece in run.pieces]
    assert sizes[0] == RATE_HZ // 50 and set(sizes[1:-1]) == {RATE_HZ // 10}


def test_espeak_marks_its_first_byte_first_audible_sample_and_end(espeak: EspeakEngine) -> None:
    run = Run(espeak, "speak", text="Sure.")()
    pcm = np.frombuffer(run.audio, np.int16)
    assert run.events == ["first_byte", "first_audible", "end"]
    audible = first_audible(pcm, RATE_HZ)
    assert audible is not None and run.marks[1].value == pytest.approx(audible, abs=RATE_HZ / 200)
    assert run.marks[2].value == len(pcm)


def test_espeak_stops_when_it_is_cancelled(espeak: EspeakEngine) -> None:
    run = Run(espeak, "speak", cancel_after=3, text="one two three four five six seven " * 20)()
    assert len(run.headers) == 3 and "end" not in run.events
    again = Run(espeak, "speak", text="Sure.")()
    assert again.events[-1] == "end"


def test_espeak_reads_markup_as_text_and_silence_as_nothing(espeak: EspeakEngine) -> None:
    assert len(Run(espeak, "speak", text="<b>x</b>")().audio) > len(
        Run(espeak, "speak", text="x")().audio
    )
    assert Run(espeak, "speak", text=" ... ")().events[-1] == "end"


async def test_espeak_without_such_a_voice_says_so() -> None:
    # In a process of its own, which is as it is used.
    engine = "pipelines.engines.tts.espeak:EspeakEngine"
    process = ModelProcess("espeak-ng", engine, {"voice": "nobody"}, marks=MarkList())
    with pytest.raises(ModelError, match="could not be loaded: espeak-ng has no voice 'nobody'"):
        await process.ensure_running()


def feed(request: Request, pcm: np.ndarray[Any, np.dtype[np.int16]]) -> None:
    data = pcm.tobytes()
    for start in range(0, len(data), 640):
        request.feed({"last": False}, data[start : start + 640])
    request.feed({"last": True}, b"")


@pytest.fixture(scope="module")
def spoken(espeak: EspeakEngine) -> np.ndarray[Any, np.dtype[np.int16]]:
    pcm = np.frombuffer(Run(espeak, "speak", text="go forward ten meters")().audio, np.int16)
    at_16k = resample(pcm, RATE_HZ, 16000)
    silence = np.zeros(8000, np.int16)
    return np.concatenate((silence, at_16k, silence))


def test_pocketsphinx_hears_a_sentence_of_its_domain(
    sphinx: PocketSphinxEngine, spoken: np.ndarray[Any, np.dtype[np.int16]]
) -> None:
    run = Run(sphinx, "utterance", fresh=True)
    feed(run.request, spoken)
    run()
    assert run.headers[-1] == {"final": "go forward ten meters"}
    assert run.events[-1] == "final" and set(run.events[:-1]) == {"partial"}
    partials = [h["partial"] for h in run.headers[:-1]]
    assert all(a != b for a, b in itertools.pairwise(partials))


def test_pocketsphinx_repeats_itself_in_a_fresh_conversation(
    sphinx: PocketSphinxEngine, spoken: np.ndarray[Any, np.dtype[np.int16]]
) -> None:
    runs = []
    for _ in range(2):
        run = Run(sphinx, "utterance", fresh=True)
        feed(run.request, spoken)
        runs.append(run().headers)
    assert runs[0] == runs[1]


def test_pocketsphinx_drops_a_cancelled_utterance_and_hears_the_next(
    sphinx: PocketSphinxEngine, spoken: np.ndarray[Any, np.dtype[np.int16]]
) -> None:
    run = Run(sphinx, "utterance")
    run.request.feed({"last": False}, spoken[:16000].tobytes())
    run.request.cancel()
    with pytest.raises(RequestCancelled):
        run()
    silent = Run(sphinx, "utterance")
    feed(silent.request, np.zeros(16000, np.int16))
    assert silent().headers[-1] == {"final": ""}


def test_pocketsphinx_without_its_sentences_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"can't be read.*restore the file, or set lm"):
        PocketSphinxEngine(sentences=str(tmp_path / "none.txt")).load()
    (tmp_path / "empty.txt").write_text("# only a comment\n", encoding="utf-8")
    with pytest.raises(EngineError, match="holds no sentence"):
        PocketSphinxEngine(sentences=str(tmp_path / "empty.txt")).load()


MESSAGES = [{"role": "user", "content": "hello"}]


def test_llama_streams_tokens_and_ends_with_their_number(llama: LlamaEngine) -> None:
    run = Run(llama, "chat", messages=MESSAGES, max_tokens=12)()
    *tokens, end = run.headers
    assert tokens and all(set(h) == {"text"} for h in tokens)
    assert end == {"tokens": len(tokens)}
    assert run.events[0] == "first_token" and run.events[-1] == "end"
    assert run.marks[-1].text == "".join(h["text"] for h in tokens)


def test_llama_says_the_same_again(llama: LlamaEngine) -> None:
    first, second = (Run(llama, "chat", messages=MESSAGES, max_tokens=12)() for _ in range(2))
    assert first.headers == second.headers


def test_llama_stops_when_it_is_cancelled(llama: LlamaEngine) -> None:
    run = Run(llama, "chat", cancel_after=3, messages=MESSAGES, max_tokens=400)()
    assert len(run.headers) == 3 and "end" not in run.events


def test_llama_can_read_a_prompt_without_a_word(llama: LlamaEngine) -> None:
    run = Run(llama, "prime", messages=MESSAGES)()
    assert run.headers == [] and run.marks == []


def test_llama_refuses_what_does_not_fit_with_a_sentence(llama: LlamaEngine) -> None:
    long = [{"role": "user", "content": "a" * 2000}]
    with pytest.raises(EngineError, match=r"llama.cpp refused the request: .*context"):
        Run(llama, "chat", messages=long)()


def test_llama_answers_a_long_conversation_without_its_oldest_exchanges(tiny: Path) -> None:
    llama = LlamaEngine(model=str(tiny), context_tokens=512)
    llama.load()
    said = [{"role": "system", "content": "You are a robot."}]
    for n in range(30):
        said.append({"role": "user", "content": f"bring me cup number {n}"})
        said.append({"role": "assistant", "content": f"here is the cup number {n}"})
    run = Run(llama, "chat", messages=said[:-1], max_tokens=12)()
    end = run.headers[-1]
    start, stop = [h["gone"] for h in run.headers if "gone" in h][-1]
    assert (start, stop % 2) == (1, 1) and 1 < stop < 59  # whole exchanges, not the instructions
    assert end["tokens"] > 0
    tokens = {m.event: m.value for m in run.marks if m.value is not None}  # the last of each
    read = tokens["prompt_read"] + tokens["prompt_cached"]
    assert 250 < read <= 500  # of the model's 512, with room for the answer
    assert abs(tokens["trimmed"] - read) < 100
    # What is left is known to fit: nothing more leaves.
    left = [said[0], *said[stop:-1]]
    again = Run(llama, "chat", messages=left, max_tokens=12)()
    assert again.headers[0].keys() == {"text"}
    assert sum(m.value or 0 for m in again.marks if m.event.startswith("prompt_")) == read


def test_llama_counts_itself_what_was_estimated_too_short(tiny: Path) -> None:
    engine = LlamaEngine(model=str(tiny), context_tokens=512)
    engine.load()
    # A token has one or two of these characters, not four.
    said = [{"role": "user", "content": "\u00e9\u4e00" * 60} for _ in range(8)]
    spoken = [m for one in said for m in (one, {"role": "assistant", "content": "ok"})][:-1]
    run = Run(engine, "chat", messages=spoken, max_tokens=12)()
    tries = [m for m in run.marks if m.event == "trimmed"]
    assert [m.text for m in tries][-1] == "counted" and run.headers[-1]["tokens"] > 0


def test_a_model_file_that_is_missing_foreign_or_damaged_is_told_apart(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="can't be read"):
        check_gguf(tmp_path / "none.gguf")
    foreign = tmp_path / "foreign.gguf"
    foreign.write_bytes(b"<html>not found</html>")
    with pytest.raises(EngineError, match="not a GGUF"):
        check_gguf(foreign)
    whole = tmp_path / "whole.gguf"
    whole.write_bytes(tiny.read_bytes())
    digest = hashlib.sha256(tiny.read_bytes()).hexdigest()
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(f'file = "whole.gguf"\nsha256 = "{digest}"\n', encoding="utf-8")
    check_gguf(whole)
    whole.write_bytes(tiny.read_bytes()[:-4] + b"\1\2\3\4")
    with pytest.raises(EngineError, match="damaged"):
        check_gguf(whole)


def test_a_cut_model_file_does_not_crash_the_library(tiny: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny.read_bytes()[:5000])
    with pytest.raises(EngineError, match=r"can't load cut\.gguf"):
        LlamaEngine(model=str(cut)).load()


@pytest.fixture(scope="module")
def creature() -> Iterator[LlamaEngine]:
    engine = LlamaEngine(model=str(CREATURE))
    engine.load()
    engine.warm_up()
    yield engine


def test_the_creature_answers_in_words(creature: LlamaEngine) -> None:
    messages = [{"role": "user", "content": "bring me the green cup"}]
    run = Run(creature, "chat", messages=messages, max_tokens=64)()
    answer = run.marks[-1].text or ""
    assert "green cup" in answer.lower() and answer.strip()[-1] in ".!?"


def test_engines_are_light_until_they_load() -> None:
    # The child imports the engine's module before it knows whether its package is installed.
    code = (
        "import sys; import pipelines.process.child; "
        "import pipelines.engines.stt.pocketsphinx, pipelines.engines.tts.espeak; "
        "import pipelines.engines.llm.llama, pipelines.engines.llm.llama_cpp_python; "
        "import pipelines.engines.stt.whisper, pipelines.engines.tts.piper; "
        "import pipelines.engines.synthetic.whisper, pipelines.engines.synthetic.piper; "
        "heavy = {'pipecat', 'pocketsphinx', 'xllamacpp', 'espeakng_loader', 'scipy', 'numpy', "
        "'onnx', 'onnxruntime', 'huggingface_hub'}; "
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_a_second_voice_in_the_same_process_takes_nothing_from_the_first(
    espeak: EspeakEngine,
) -> None:
    before = Run(espeak, "speak", text="one two three")()
    fast = EspeakEngine(rate_wpm=350)
    fast.load()
    sooner = Run(fast, "speak", text="one two three")()
    again = Run(espeak, "speak", text="one two three")()
    assert 0 < len(sooner.audio) < 0.7 * len(before.audio)
    assert len(again.audio) == pytest.approx(len(before.audio), rel=0.02)
