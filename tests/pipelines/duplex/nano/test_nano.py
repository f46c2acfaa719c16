"""duplex-nano's runtime on a tiny untrained model that is kept beside this file.

It was made by ``python -m training.nano_duplex.make untrained --tiny --out …``; `reference.npz`
holds what torch says of the same weights.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.fixtures.library import read_pcm, select
from pipelines.audio.resample import resample
from pipelines.duplex.nano import files as nano_weights
from pipelines.duplex.nano.lm import EOS, PAD, NanoLm
from pipelines.duplex.nano.model import NanoDuplex
from pipelines.duplex.nano.text import FIRST, ForcedWords
from pipelines.duplex.processes import describe
from pipelines.duplex.processor import MoshiProcessor
from pipelines.duplex.provide import model_files, provide
from pipelines.duplex.session.model import FRAME_SAMPLES, Step
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.warmth import like_speech
from pipelines.errors import SpecError
from pipelines.marks import MarkList
from pipelines.process.engine import EngineError
from pipelines.process.process import ModelProcess
from pipelines.readiness.capability import lacks, parts_of, weights_word
from pipelines.spec import load_spec, parse_spec
from pipelines.weights.error import WeightsError
from tests.pipelines.duplex.test_moshi_processor import chunks, run, spoken

TINY = Path(__file__).parent / "nano_tiny"
TEN_MINUTES = 7500


def preset(folder: Path, weights: str = "synthetic") -> str:
    text = (Path(nano_weights.__file__).parents[2] / "presets" / "duplex-nano.toml").read_text()
    text = text.replace('weights = "shipped"', f"weights = {json.dumps(str(folder))}")
    return text.replace('weights = "trained"', f'weights = "{weights}"')


@pytest.fixture(scope="module")
def model() -> NanoDuplex:
    model = NanoDuplex(config=str(TINY / "nano.json"))
    model.load()
    return model


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tiny weights, to be harmed."""
    return Path(shutil.copytree(TINY, tmp_path / "weights"))


def converse(model: NanoDuplex, seed: int, frames: int = 20) -> list[Step]:
    with model.open(seed) as session:
        return [session.step(pcm) for pcm in like_speech(frames, seed=3)]


def sound(steps: list[Step]) -> np.ndarray:
    return np.concatenate([step.pcm for step in steps if step.pcm is not None])


@pytest.mark.parametrize("eagerness", [0.0, 0.5, 1000.0])
def test_while_it_listens_silence_has_to_be_likelier_by_its_eagerness(eagerness):
    session = NanoLm(TINY).open(seed=0, text_temperature=0.0, eagerness=eagerness)
    listening, silent = True, 0
    for vector in np.load(TINY / "reference.npz")["vectors"]:
        token, _, logits, _ = session.step_with_logits(vector)
        wanted = logits.copy()
        wanted[PAD] -= eagerness * listening
        assert token == wanted.argmax()
        silent += token == PAD
        listening = listening if token == PAD else token == EOS
    assert silent < 30 or eagerness == 0.0


def test_its_eagerness_is_what_its_card_says_and_none_where_it_says_nothing(copy):
    assert nano_weights.read(copy).eagerness == 0.0
    card = json.loads((copy / "nano.json").read_text())
    (copy / "nano.json").write_text(json.dumps(card | {"eagerness": 1.5}))
    assert nano_weights.read(copy).eagerness == 1.5
    model = NanoDuplex(config=str(copy / "nano.json"), temperature=0.0, text_temperature=0.0)
    model.load()
    with model.open(0) as session:
        assert session._lm._eagerness == 1.5


def test_the_streaming_graph_gives_the_logits_of_torch_over_all_frames_at_once():
    held = np.load(TINY / "reference.npz")
    session = NanoLm(TINY).open(seed=0)
    for frame, vector in enumerate(held["vectors"]):
        token, _, text_logits, code_logits = session.step_with_logits(vector)
        assert token == held["said"][frame]
        assert session.codes.tolist() == held["codes"][frame].tolist()
        assert np.abs(text_logits - held["text_logits"][frame]).max() < 1e-3
        if frame:  # in frame 0 the books after the first belong to no frame
            assert np.abs(code_logits - held["code_logits"][frame]).max() < 1e-3
    assert len(held["vectors"]) > 2 * NanoLm(TINY).ring[1], "the ring was not overwritten"


def test_a_fresh_model_streams_as_torch_does(tmp_path: Path):
    torch = pytest.importorskip("torch", reason="torch trains; the product has none")
    from training.nano_duplex.export_lm import export, rounded
    from training.nano_duplex.lm import Lm, LmSizes
    from training.nano_duplex.make import TINY_LM
    from training.nano_duplex.reference import compare

    torch.manual_seed(1)
    lm = Lm(LmSizes(words=9, **TINY_LM))
    for weight in lm.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    export(rounded(lm), tmp_path / "lm.onnx")
    assert compare(lm, tmp_path) < 1e-3


def test_the_same_seed_gives_the_same_samples_and_another_seed_others(model: NanoDuplex):
    first, again, other = converse(model, 5), converse(model, 5), converse(model, 6)
    assert [step.ids for step in first] == [step.ids for step in again]
    assert np.array_equal(sound(first), sound(again))
    assert [step.ids for step in first] != [step.ids for step in other]


def test_nothing_of_one_session_is_left_in_the_next_nor_in_one_beside_it(model: NanoDuplex):
    alone = converse(model, 5)
    with model.open(9) as busy, model.open(5) as session:
        beside = []
        for pcm, loud in zip(like_speech(20, seed=3), like_speech(20, seed=4), strict=True):
            busy.say("left")
            busy.step(loud)
            beside.append(session.step(pcm))
    assert [step.ids for step in beside] == [step.ids for step in alone]
    assert np.array_equal(sound(beside), sound(alone))


def test_the_first_step_has_no_audio_and_every_later_one_a_frame(model: NanoDuplex):
    steps = converse(model, 0)
    assert steps[0].pcm is None
    assert all(step.pcm is not None and step.pcm.shape == (FRAME_SAMPLES,) for step in steps[1:])
    assert [len(step.ids) for step in steps[:2]] == [1, 9]
    assert "decode" not in steps[0].spans and steps[1].spans.keys() == {"encode", "step", "decode"}


def test_greedy_tokens_need_no_seed():
    model = NanoDuplex(config=str(TINY / "nano.json"), temperature=0, text_temperature=0)
    model.load()
    assert [s.ids for s in converse(model, 1)] == [s.ids for s in converse(model, 2)]


def begun(words: tuple[str, ...], frames: tuple[float, ...]) -> ForcedWords:
    """A queue in a conversation that is no longer in its first frames."""
    forced = ForcedWords(words, frames)
    assert [forced.ask() for _ in range(FIRST)] == [None] * FIRST
    return forced


def taken(forced: ForcedWords, goes_on: Callable[[int], bool], frames: int) -> list[int | None]:
    """The tokens of those frames, where the model would go on in frames for which that is true."""
    tokens: list[int | None] = []
    for frame in range(frames):
        asked = forced.ask()
        if asked is None:
            tokens.append(None)
            continue
        tokens.append(asked.token if asked.at_once or goes_on(frame) else 0)
        forced.said(asked.token if tokens[-1] else 0)
    return tokens


def test_forced_words_come_when_the_model_would_go_on():
    forced = begun(("go", "left"), (2.0, 5.0))
    assert forced.ask() is None
    forced.queue("Go left, left!")
    at = {1, 6, 9}
    assert taken(forced, lambda frame: frame in at, 11) == [3, 4, 0, 0, 0, 0, 4, 0, 0, 2, None]


def test_forced_words_come_no_sooner_than_they_can_and_not_never():
    early, late = (begun(("go", "left"), (2.0, 5.0)) for _ in range(2))
    early.queue("left go")
    late.queue("go left")
    # Two fifths of a mean length at least, half as long again and a frame at most.
    assert taken(early, lambda _: True, 5) == [4, 0, 3, 2, None]
    assert taken(late, lambda _: False, 14) == [3, *[0] * 3, 4, *[0] * 7, 2, None]


def test_a_text_with_a_word_that_the_model_lacks_is_refused_whole():
    forced = begun(("go",), (1.0,))
    with pytest.raises(EngineError, match=r"^duplex-nano has no word 'pizza': it knows the 1 "):
        forced.queue("go pizza")
    assert forced.ask() is None


def test_a_text_that_is_to_be_said_comes_out_in_the_text_stream(model: NanoDuplex):
    with model.open() as session:
        session.say("go left")
        steps = [session.step(pcm) for pcm in like_speech(26)]
    frames = [index for index, step in enumerate(steps) if step.forced]
    assert [steps[index].text for index in frames] == [" go", " left"]
    assert frames[0] == FIRST, "not in its first frames, in which it never learned to speak"
    assert not any(step.text for step in steps[frames[0] + 1 : frames[1]])


@pytest.mark.parametrize(
    ("silence", "tokens"),
    [
        # e³ to 1: .95 and .91 that nothing was said, then .04.
        ([3.0, 3.0, -3.0, 3.0], [0, 0, 5, 0]),
        # 3 to 2: .6, then .36; told, it begins anew.
        ([np.log(1.5)] * 4, [0, 5, 0, 5]),
    ],
)
def test_a_forced_word_comes_when_the_model_had_likelier_said_one_than_none(
    model: NanoDuplex, silence: list[float], tokens: list[int]
):
    vector = np.random.default_rng(0).standard_normal(model.lm.vector, np.float32)
    waiting, told = model.lm.open(3), model.lm.open(3)
    run, silence = model.lm.run, list(silence)

    def weighed(outputs, inputs):
        found = run(outputs, inputs)
        found[3][:] = -np.log(len(found[3]) - 1)  # all words together weigh 1
        found[3][0] = silence[0]
        return found

    model.lm.run = weighed  # type: ignore[method-assign]
    try:
        for token in tokens:
            said, codes = waiting.step_or_wait(vector, 5)
            assert said == token
            again = told.step(vector, token)
            silence.pop(0)
            assert np.array_equal(codes, again[1]), "the frame is that of the token, drawn once"
    finally:
        del model.lm.run


def test_ten_minutes_take_no_more_memory_than_one_and_no_larger_inputs(model: NanoDuplex):
    vectors = np.random.default_rng(0).standard_normal((25, model.lm.vector), np.float32)
    process, sizes = psutil.Process(), set()
    run = model.lm.run
    session = model.lm.open()

    def watched(outputs, inputs):
        sizes.add(sum(np.asarray(array).nbytes for array in inputs.values()))
        return run(outputs, inputs)

    model.lm.run = watched  # type: ignore[method-assign]
    try:
        for frame in range(TEN_MINUTES):
            _, _, logits, _ = session.step_with_logits(vectors[frame % 25])
            if frame == TEN_MINUTES // 10:
                before = process.memory_info().rss, session.state_bytes
    finally:
        del model.lm.run
    assert len(sizes) == 1, "a step's cost is that of what it is given"
    assert np.isfinite(logits).all()
    assert session.state_bytes == before[1]
    assert process.memory_info().rss - before[0] < 8e6


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda f: (f / "nano.json").unlink(), r"nano\.json is missing, so there are no weights"),
        (lambda f: (f / "nano.json").write_text("{"), r"nano\.json can't be read as JSON"),
        (lambda f: (f / "nano.json").write_text("[]"), r"nano\.json describes no weights"),
        (lambda f: (f / "lm.onnx").unlink(), r"lm\.onnx is missing"),
        (lambda f: cut(f / "lm.onnx"), r"lm\.onnx has [\d,]+ bytes and should have [\d,]+"),
        (lambda f: flip(f / "lm.onnx"), r"lm\.onnx was changed \(its sha256"),
        (lambda f: change(f, format=99), r"is of format 99 and this version of .* reads 2"),
        (lambda f: change(f, word_frames=[1.0]), r"times 1 words and vocabulary\.txt has \d+"),
    ],
    ids=["card", "json", "table", "missing", "truncated", "changed", "version", "vocabulary"],
)
def test_harmed_weights_are_reported_in_one_sentence(copy: Path, harm, told: str):
    harm(copy)
    model = NanoDuplex(config=str(copy / "nano.json"))
    with pytest.raises(WeightsError, match=told) as caught:
        model.load()
    text = str(caught.value)
    assert "\n" not in text and text.rstrip(".").endswith("README.md says how")


def test_a_whole_file_that_is_no_graph_is_reported_in_one_sentence(copy: Path):
    (copy / "lm.onnx").write_bytes(b"no graph")
    with pytest.raises(WeightsError, match=r"lm\.onnx can't be loaded by onnxruntime \("):
        NanoLm(copy)


def test_a_model_whose_words_are_not_its_vocabularys_is_refused(copy: Path):
    (copy / "vocabulary.txt").write_text("one\n", encoding="utf-8")
    told = {"bytes": 4, "sha256": nano_weights.sha256_of(copy / "vocabulary.txt")}
    files = json.loads((copy / "nano.json").read_text())["files"]
    change(copy, word_frames=[1.0], files={**files, "vocabulary.txt": told})
    with pytest.raises(WeightsError, match="a vocabulary of 1 words and a language model of"):
        NanoDuplex(config=str(copy / "nano.json")).load()


def test_an_ear_of_another_model_is_refused(copy: Path):
    (copy / "user_words.txt").write_text("go\n", encoding="utf-8")
    told = {"bytes": 3, "sha256": nano_weights.sha256_of(copy / "user_words.txt")}
    files = json.loads((copy / "nano.json").read_text())["files"]
    change(copy, files={**files, "user_words.txt": told})
    with pytest.raises(WeightsError, match="an ear that says 98 numbers a frame and a language"):
        NanoDuplex(config=str(copy / "nano.json")).load()


@pytest.mark.parametrize(
    ("trained", "label"),
    [
        ([], "synthetic"),
        (["codec", "ear"], "synthetic"),
        (["codec", "ear", "read"], "synthetic"),
        (["read", "speak", "joint"], "synthetic"),
        (["codec", "ear", "read", "speak"], "trained"),
        (["codec", "joint"], "synthetic"),
        (["codec", "ear", "joint"], "trained"),
    ],
)
def test_only_a_model_that_learned_to_hear_and_speak_is_called_trained(copy, trained, label):
    change(copy, trained=trained)
    assert nano_weights.read(copy).label == label


def test_untrained_weights_babble_and_a_preset_that_says_otherwise_is_refused(copy: Path):
    spec = parse_spec("mine", preset(copy))
    assert spec.babbles
    provide(spec, print)
    with pytest.raises(SpecError, match=r"weights = 'trained', but .* has synthetic ones"):
        provide(parse_spec("mine", preset(copy, "trained")), print)
    change(copy, trained=["codec", "ear", "joint"])
    with pytest.raises(SpecError, match=r"weights = 'synthetic', but .* has trained ones"):
        provide(spec, print)
    trained = parse_spec("mine", preset(copy, "trained"))
    provide(trained, print)
    assert not trained.babbles


def test_the_shipped_weights_are_whole_trained_and_small():
    spec = load_spec("duplex-nano")
    assert spec.stages["model"].stages == "serial"
    assert nano_weights.read(nano_weights.PACKAGED).label == spec.weights == "trained"
    assert lacks(spec) == [] and weights_word(parts_of(spec)) == "here"
    files = [nano_weights.PACKAGED / name for name in nano_weights.FILES]
    assert sum(path.stat().st_size for path in files) < 30e6


def test_the_shipped_weights_answer_the_recorded_users_in_words_that_fit():
    wanted = {
        "q_name": "my name is pip",
        "greet_thanks": "you are welcome",
        "q_where_blue_ball": "the blue ball is under the chair",
    }
    model = NanoDuplex(
        config=str(nano_weights.PACKAGED / "nano.json"), temperature=0, text_temperature=0
    )
    model.load()
    quiet = np.random.default_rng(0)
    right = 0
    for (fixture,) in map(select, wanted):
        heard = resample(read_pcm(fixture.turns[0]) / 32768, 16_000, 24_000)
        pcm = np.concatenate((np.zeros(12_000), heard, np.zeros(5 * 24_000)))
        pcm = (pcm + 1e-4 * quiet.standard_normal(len(pcm))).astype(np.float32)
        frames = pcm[: len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        with model.open() as session:
            said = "".join(session.step(frame).text for frame in frames).strip()
        right += said == wanted[fixture.name]
    assert right >= 2, "two of three: sums differ by the processor, and what is likeliest with them"


def test_a_run_notes_the_files_of_the_model_with_their_checksums(copy: Path):
    found = model_files(parse_spec("mine", preset(copy)))
    assert [row["file"] for row in found] == list(nano_weights.FILES)
    for row in found:
        assert row["sha256"] == nano_weights.sha256_of(copy / row["file"])


def test_synthetic_weights_are_made_by_no_run():
    with pytest.raises(WeightsError, match='set weights = "shipped"'):
        describe(ModelOptions(id="nano-11m", backend="nano"))


async def test_chunks_of_any_size_sound_the_same_through_the_processor():
    d = describe(ModelOptions(id="nano-11m", backend="nano", weights=str(TINY), stages="serial"))
    assert d.interpreter is None
    pcm = (np.concatenate(like_speech(15)) * 32767).astype(np.int16)
    async with ModelProcess(
        d.name, "pipelines.duplex.session.engine:DuplexEngine", d.options, marks=MarkList()
    ) as process:
        heard = [
            spoken((await run(MoshiProcessor(process, seed=4), chunks(pcm, size)))[0])
            for size in (FRAME_SAMPLES, 777, 31)
        ]
    assert len(heard[0]) == 14 * FRAME_SAMPLES  # the first frame has no sound
    assert np.array_equal(heard[0], heard[1]) and np.array_equal(heard[0], heard[2])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def change(folder: Path, **fields: object) -> None:
    path = folder / "nano.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}), encoding="utf-8")
