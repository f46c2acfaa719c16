"""An engine is one module with its row, found where it lies."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

import pytest

from pipelines.engines import adapters, made
from pipelines.engines.adapters import STAGES, all_rows, engine_row, row_named, stage_rows
from pipelines.engines.model_files import StageModel, has_random_weights
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.processes import llm_engine, stt_engine, tts_engine
from pipelines.engines.row import EngineRow
from pipelines.process.environment import ENVIRONMENTS
from pipelines.registry import load_object
from pipelines.rows import rows_of

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "pipelines" / "engines"
OPTIONS: dict[str, Any] = {"stt": SttOptions, "llm": LlmOptions, "tts": TtsOptions}
PROCESS: dict[str, Any] = {"stt": stt_engine, "llm": llm_engine, "tts": tts_engine}
HEAVY = {
    "numpy", "scipy", "pydantic", "pipecat", "torch", "onnx", "onnxruntime", "ctranslate2",
    "xllamacpp", "llama_cpp", "pocketsphinx", "espeakng_loader", "faster_whisper",
    "huggingface_hub", "mlx",
}  # fmt: skip


SHIPPED = {
    "stt": ["kyutai-stt-onnx", "pocketsphinx", "faster-whisper", "kyutai-stt", "moonshine"],
    "llm": ["llama", "llama-cpp-python", "ollama", "openai-compatible"],
    "tts": ["espeak", "kokoro", "piper", "pocket-tts"],
}
"""Engines that published presets name; those of our own Python first, servers last."""


@pytest.mark.parametrize("stage", STAGES)
def test_engines_are_found_in_their_stage_s_room(stage: str) -> None:
    found = [row.name for row in stage_rows(stage)]
    assert [name for name in found if name in SHIPPED[stage]] == SHIPPED[stage]
    assert {row.stage for row in stage_rows(stage)} == {stage}


def test_no_two_engines_share_a_name_over_all_stages() -> None:
    names = [row.name for row in all_rows()]
    assert len(set(names)) == len(names)
    assert [row_named(name) for name in names] == list(all_rows())


def test_a_new_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = tmp_path / "a_room_of_tests"
    (room / "below").mkdir(parents=True)
    for folder in (room, room / "below"):
        (folder / "__init__.py").touch()
    (room / "one.py").write_text("ROW = 'first'\n")
    (room / "below" / "two.py").write_text("ROW: str = 'second'\n")
    (room / "helper.py").write_text("raise RuntimeError('a module without a row is not loaded')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert rows_of("a_room_of_tests") == ["second", "first"]


def test_reading_all_rows_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pipelines.engines.adapters import all_rows; assert len(all_rows()) >= 12;"
        "from pipelines.engines.made import maker_of;"
        "[maker_of(row.name) for row in all_rows() if row.maker];"
        f"found = {HEAVY!r} & {{name.split('.')[0] for name in sys.modules}};"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("row", [r for r in all_rows() if r.engine], ids=lambda row: row.name)
def test_a_child_of_another_python_loads_only_light_modules_of_ours(row: EngineRow) -> None:
    module = row.path.partition(":")[0]
    code = (
        f"import sys, pipelines.process.child, {module};"
        "ours = {n for n in sys.modules if n.startswith('pipelines.') and n.count('.') > 0};"
        "rooms = {'.'.join(n.split('.')[:2]) for n in ours};"
        f"print(' '.join(sorted(rooms)), *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    )  # -S: without the packages of our own Python
    allowed = {f"pipelines.{m}" for m in ("clock", "engines", "marks", "moved", "process")}
    assert set(done.stdout.split()) <= allowed | {"pipelines.weights"}


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.name)
def test_a_row_names_what_there_is(row: EngineRow) -> None:
    assert not row.environment or row.environment in ENVIRONMENTS
    fields = get_type_hints(OPTIONS[row.stage])
    assert set(row.reads) <= set(fields)
    assert bool(row.model) == bool(row.reads)
    if row.maker:
        maker = load_object(row.maker)
        assert maker.environment in ("", row.environment)
        assert bool(maker.make) == (not maker.environment)
        assert set(row.measured) <= set(maker.gb) - {"micro"}
        assert row.model.removeprefix(made.PREFIX) in maker.gb or row.model == "creature-3m"
        assert set(maker.gb) == set(importlib.import_module(row.maker.partition(":")[0]).SIZES)
    else:
        assert not row.measured
    for path in filter(None, (row.service, row.ready)):
        assert callable(load_object(path))


@pytest.mark.parametrize("row", [r for r in all_rows() if r.engine], ids=lambda row: row.name)
def test_an_engine_takes_the_arguments_that_its_row_gives_it(row: EngineRow) -> None:
    model = "synthetic:micro" if row.maker else ""
    given = OPTIONS[row.stage](engine=row.name, model=model)
    spec = PROCESS[row.stage](given)
    assert row.engine is not None
    inspect.signature(row.engine).bind(**spec.options)
    assert load_object(spec.engine) is row.engine
    assert spec.environment == row.environment


def test_the_options_pages_default_engines_are_rows() -> None:
    for stage in STAGES:
        assert engine_row(stage, OPTIONS[stage]().engine).name


@pytest.mark.parametrize(
    ("stage", "model", "called"),
    [
        ("stt:pocketsphinx", "", "pocketsphinx"),
        ("stt:faster-whisper", "synthetic:tiny", "whisper synthetic:tiny"),
        ("llm:llama", "creature-3m", "creature-3m"),
        ("tts:espeak", "", "espeak-ng"),
        ("tts:kokoro", "synthetic:82m", "kokoro synthetic:82m"),
    ],
)
def test_marks_call_a_process_by_engine_and_model(stage: str, model: str, called: str) -> None:
    stage, _, engine = stage.partition(":")
    assert PROCESS[stage](OPTIONS[stage](engine=engine, model=model)).name == called


def test_time_limits_are_longer_for_models_that_are_not_ours() -> None:
    ours = llm_engine(LlmOptions(timeout_secs=9.0))
    other = llm_engine(LlmOptions(model="synthetic:micro", timeout_secs=9.0))
    assert (ours.load_timeout_s, other.load_timeout_s) == (60.0, 180.0)
    assert ours.cancel_grace_s < other.cancel_grace_s == 9.0
    assert stt_engine(SttOptions()).load_timeout_s == 60.0


def test_the_rate_of_a_voice_is_known_before_it_speaks(tmp_path: Path) -> None:
    assert tts_engine(TtsOptions()).rate_hz == 22050
    assert stt_engine(SttOptions()).rate_hz == 0
    assert row_named("kokoro").rate_hz(StageModel("kokoro", "synthetic:micro")) == 24000


def test_an_engine_without_a_maker_has_no_random_weights(tmp_path: Path) -> None:
    voice = tmp_path / "voice.bin"
    voice.touch()
    (tmp_path / "synthetic.json").write_text("{}")
    assert not has_random_weights("espeak", str(voice))
    assert has_random_weights("kokoro", str(voice))
    with pytest.raises(Exception, match="espeak: no models with random weights are made for it"):
        made.path_of("espeak", "synthetic:micro")


def test_no_other_module_names_an_engine_s_module() -> None:
    modules = {row.path.partition(":")[0] for row in all_rows() if row.engine}
    for path in (ROOT / "pipelines").glob("**/*.py"):
        if path.is_relative_to(ROOM):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            froms = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            if path.parent == ROOM:
                assert not froms & modules, path


def test_an_engine_named_by_its_old_module_is_told_by_name() -> None:
    for old in ("pipelines.cascade.engines.espeak:EspeakEngine",):
        with pytest.raises(ValueError, match=r"is unknown \(did you mean 'espeak'\?\); known: "):
            engine_row("tts", old)


@dataclass(frozen=True)
class Settings:
    """What a toy engine alone takes."""

    pitch_hz: float = 440.0
    kind: Literal["sine", "square"] = "sine"


def test_what_one_engine_alone_takes_stands_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    toy = EngineRow("tts", "toy", "a tone", "MIT", engine=Settings, settings=Settings)
    monkeypatch.setattr(adapters, "stage_rows", lambda stage: (toy,))
    assert TtsOptions(engine="toy", settings={"pitch_hz": 220}).settings == {"pitch_hz": 220}
    with pytest.raises(ValueError, match=r"settings: unknown key 'pich_hz' .did you mean 'pitch"):
        TtsOptions(engine="toy", settings={"pich_hz": 220})
    with pytest.raises(ValueError, match=r"settings: kind = 'saw' must be one of 'sine', 'squ"):
        TtsOptions(engine="toy", settings={"kind": "saw"})


def test_settings_of_an_engine_that_has_none_are_refused() -> None:
    with pytest.raises(ValueError, match="espeak takes no settings of its own: leave 'settings'"):
        TtsOptions(engine="espeak", settings={"pitch_hz": 220})
