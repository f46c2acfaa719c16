"""The arrows of the design: labs → bench → pipelines → pipecat, and who may import what."""

import ast
import functools
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from arrows import (  # noqa: E402  (found by the path above)
    NAMES,
    circle,
    folder_arrows,
    levels,
    reduced,
    used_by,
)

HEAVY = {"pipecat", "torch", "mlx", "pocketsphinx", "xllamacpp", "espeakng_loader", "onnxruntime"}
SLOW = {
    "numpy", "scipy", "pyarrow", "matplotlib", "plotly", "rich", "pydantic", "soundfile", "soxr",
    "psutil", "huggingface_hub", "jiwer",
}  # fmt: skip
"""Libraries that take longer to import than a command's help takes to print."""
ANALYSIS = (
    "causes", "compare", "metrics", "notebook", "report", "simulated", "stats", "store", "summary",
    "timeline",
)  # fmt: skip
"""Rooms of bench that open a run anywhere: no agent, no model, no Pipecat."""
PURE_PIPELINES = {"marks", "kinds", "clock", "audio", "errors", "guards"}
ENGINE_SIDE = {
    *(f"pipelines.process.{m}" for m in ("child", "wire", "engine")),
    *(f"pipelines.duplex.session.{m}"
      for m in ("engine", "inbox", "model", "row", "stages", "warmth", "wire")),
    "pipelines.engines.row", "pipelines.moved",
}  # fmt: skip


@functools.cache
def imports(path: Path) -> set[str]:
    """Every module that a file imports, also inside its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_pipelines_never_imports_bench_labs_or_training():
    for path in ROOT.glob("pipelines/**/*.py"):
        wrong = [m for m in imports(path) if m.split(".")[0] in ("bench", "labs", "training")]
        assert not wrong, f"{path}: {wrong}"


def test_bench_never_imports_labs_or_training():
    for path in ROOT.glob("bench/**/*.py"):
        wrong = [m for m in imports(path) if m.split(".")[0] in ("labs", "training")]
        assert not wrong, f"{path}: {wrong}"


def test_labs_never_import_training():
    for path in ROOT.glob("labs/**/*.py"):
        wrong = [m for m in imports(path) if m.split(".")[0] == "training"]
        assert not wrong, f"{path}: {wrong}"


GRADER = [
    path
    for room in (".", "cli", "evidence", "examples", "grading")
    for path in (ROOT / "labs" / room).glob("*.py")
]


@pytest.mark.parametrize("path", sorted(GRADER), ids=lambda path: path.stem)
def test_the_grader_opens_without_pipecat_and_without_models(path):
    for module in imports(path):
        assert module.split(".")[0] not in HEAVY, module


def test_in_bench_only_the_agents_room_imports_pipecat():
    users = {
        path.parent.relative_to(ROOT / "bench").as_posix()
        for path in ROOT.glob("bench/**/*.py")
        if any(m.split(".")[0] == "pipecat" for m in imports(path))
    }
    assert users == {"agent"}


@pytest.mark.parametrize("room", ANALYSIS)
def test_the_analysis_side_opens_anywhere(room):
    files = sorted((ROOT / "bench" / room).glob("**/*.py"))
    assert files
    for path in files:
        for module in imports(path):
            parts = module.split(".")
            assert parts[0] not in HEAVY, f"{path}: {module}"
            if parts[0] == "pipelines" and len(parts) > 1:
                assert parts[1] in PURE_PIPELINES, f"{path}: {module}"
            if parts[0] == "bench" and len(parts) > 1:
                assert parts[1] in ANALYSIS, f"{path}: {module}"


@pytest.mark.parametrize("top", ["bench", "labs", "pipelines"])
def test_a_folder_holds_fifteen_modules_at_most(top):
    for folder in {path.parent for path in ROOT.glob(f"{top}/**/*.py")}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 15, f"{folder.relative_to(ROOT)} holds {len(modules)}"


def test_modules_import_each_other_in_no_circle():
    assert not circle({name: used_by(path) - {name} for name, path in NAMES.items()})


def test_folders_import_each_other_in_no_circle():
    arrows = folder_arrows()
    found = circle(arrows)
    ways = [arrows[a][b] for a, b in itertools.pairwise(found)]
    assert not found, ways


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_the_picture_shows_only_arrows_that_no_longer_way_says():
    arrows = {"a": {"b", "c"}, "b": {"c"}, "d": {"c"}}
    assert reduced(arrows) == {"a": {"b"}, "b": {"c"}, "d": {"c"}}
    assert levels(arrows) == {"a": 2, "b": 1, "c": 0, "d": 1}


UPSTAIRS = ("bench.cli", "labs.cli", "pipelines.server", "pipelines.examples")
"""Rooms that their own neighbours never import: commands, servers, examples."""


@pytest.mark.parametrize("room", UPSTAIRS)
def test_nobody_in_the_house_imports(room):
    for here, there in folder_arrows().items():
        if here.startswith(room) or (room.startswith("pipelines") and not here.startswith("pip")):
            continue
        assert not [ways for name, ways in there.items() if name.startswith(room)]


def test_doctor_loads_no_runner_no_agent_and_no_caller():
    code = "import sys, bench.cli.inventory.doctor; print(' '.join(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    for room in ("bench.runner", "bench.agent", "bench.caller"):
        assert not [name for name in loaded if name.startswith(room)]


def test_the_command_lines_help_needs_nothing_heavy():
    code = (
        "import sys, bench.cli.main, importlib\n"
        "for row in bench.cli.main.COMMANDS.values():\n"
        "    importlib.import_module(row.target.partition(':')[0])\n"
        f"heavy = {sorted(HEAVY | SLOW)!r}\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_child_of_an_engine_environment_needs_only_light_modules():
    for module in sorted(ENGINE_SIDE):
        for used in imports(ROOT / (module.replace(".", "/") + ".py")):
            assert used.split(".")[0] not in HEAVY, f"{module} imports {used}"
            assert used.split(".")[0] not in {"scipy", "pyarrow", "soundfile"}, used


def test_no_two_files_of_tests_have_one_name():
    """Pytest takes the second for the first, and collects nothing at all."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
