"""Each architecture answers for itself; the joiner knows none of them."""

from __future__ import annotations

import ast
import dataclasses
import platform
import sys
import types
from pathlib import Path

import pytest

from pipelines import registry
from pipelines.errors import LabError
from pipelines.models.needed import Need, needed_by
from pipelines.process import environment
from pipelines.readiness import capability
from pipelines.readiness.part import FILES, Part
from pipelines.registry import ARCHITECTURES, Architecture
from pipelines.spec import PipelineSpec

ROOM = Path(__file__).parents[3] / "pipelines" / "readiness"
SPEC = PipelineSpec("mine", "x", "toy", "trained", "cascade")
QUESTIONS = ("parts", "missing", "environments", "makes", "reads")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """An architecture of the tests, whose answers are the attributes of a module."""
    module = types.ModuleType("toy_architecture")
    monkeypatch.setitem(sys.modules, "toy_architecture", module)
    for question in QUESTIONS:
        setattr(module, question, lambda spec: [])
    toy = Architecture("", ())
    for question in QUESTIONS:
        toy = dataclasses.replace(toy, **{question: f"toy_architecture:{question}"})  # type: ignore[arg-type]
    monkeypatch.setitem(ARCHITECTURES, "toy", toy)
    return module


def part(files: str) -> Part:
    return Part("engine", "model", "MIT", ("cpu",), "exact answers", files)  # type: ignore[arg-type]


def test_the_answers_of_an_architecture_are_joined(toy, monkeypatch) -> None:
    toy.parts = lambda spec: [part("here"), part("none needed")]
    toy.missing = lambda spec: ["the moon is not full."]
    toy.environments = lambda spec: ["piper"]
    toy.makes = lambda spec: ["tiny"]
    toy.reads = lambda spec: (Need("llm", "/no/such.gguf"), Need("stt", "synthetic:tiny"))
    monkeypatch.setattr(environment, "find", lambda name: None)
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    assert capability.parts_of(SPEC) == [part("here"), part("none needed")]
    assert needed_by(SPEC) == (Need("llm", "/no/such.gguf"),)
    no_file, moon, vax = capability.lacks(SPEC)
    assert "/no/such.gguf" in no_file and moon == "the moon is not full."
    assert vax.startswith("the engine environment piper can't be built on ")
    assert capability.builds_first(SPEC) == [
        "the environment piper (0.2 GB)",
        "random weights tiny",
    ]


def test_an_error_on_the_way_is_what_is_missing(toy) -> None:
    def damaged(spec):
        raise LabError("weights are damaged.")

    toy.missing = damaged
    assert capability.lacks(SPEC) == ["weights are damaged."]


def test_the_worst_part_says_how_the_files_are() -> None:
    assert capability.weights_word([]) == "none needed"
    for worst in range(len(FILES)):
        assert capability.weights_word(map(part, reversed(FILES[worst:]))) == FILES[worst]


def test_an_architecture_from_outside_may_answer_nothing(monkeypatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture("", ()))
    assert capability.parts_of(SPEC) == []
    assert capability.lacks(SPEC) == []
    assert capability.builds_first(SPEC) == capability.environments_of(SPEC) == []
    assert needed_by(SPEC) == ()


def test_the_room_asks_for_no_architecture_and_imports_none() -> None:
    for path in ROOM.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.If | ast.IfExp | ast.Compare | ast.Match):
                assert ".architecture" not in ast.unparse(node), path
            if isinstance(node, ast.ImportFrom):
                assert not set((node.module or "").split(".")) & set(ARCHITECTURES), path


def test_every_function_that_a_row_names_is_there() -> None:
    for row in ARCHITECTURES.values():
        for question in QUESTIONS:
            path = getattr(row, question)
            assert not path or callable(registry.load_object(path)), path
