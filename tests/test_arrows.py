"""The arrows of the design: labs → bench → pipelines → pipecat, and who may import what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path for top in ("pipelines", "bench", "labs") for path in ROOT.glob(f"{top}/**/*.py")
)
HEAVY = {"pipecat", "torch", "mlx", "pocketsphinx", "xllamacpp", "espeakng_loader", "onnxruntime"}
ANALYSIS = (
    "compare", "metrics", "notebook", "report", "simulated", "stats", "store", "summary",
    "timeline",
)  # fmt: skip
"""Rooms of bench that open a run anywhere: no agent, no model, no Pipecat."""
PURE_PIPELINES = {"marks", "clock", "audio", "errors"}
ENGINE_SIDE = {
    *(f"pipelines.process.{m}" for m in ("child", "wire", "engine")),
    *(f"pipelines.duplex.session.{m}"
      for m in ("engine", "inbox", "model", "stages", "warmth", "wire")),
}  # fmt: skip


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


GRADER = [*ROOT.glob("labs/*.py"), *ROOT.glob("labs/evidence/*.py")]


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


@pytest.mark.parametrize("top", ["bench", "pipelines"])
def test_a_folder_holds_fifteen_modules_at_most(top):
    for folder in {path.parent for path in ROOT.glob(f"{top}/**/*.py")}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 15, f"{folder.relative_to(ROOT)} holds {len(modules)}"


def test_imports_make_no_circle():
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in MODULES}
    tops: dict[str, set[str]] = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {
            m
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for m in _names(node)
        }
        tops[name] = {m for m in top if m in names}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(tops[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in names:
        visit(name, ())


def _names(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}


def test_the_command_lines_help_needs_nothing_heavy():
    code = (
        "import sys, bench.cli.main, importlib\n"
        "for target in bench.cli.main.COMMANDS.values():\n"
        "    importlib.import_module(target.partition(':')[0])\n"
        f"heavy = {sorted(HEAVY)!r}\n"
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
