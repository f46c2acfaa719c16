"""The release gate's own part: which run it holds the new one against, and what it keeps."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from bench.simulated.turns import write_example_run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gate_script", ROOT / "scripts" / "gate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept.jsonl")
    monkeypatch.setattr(module, "DOCUMENT", tmp_path / "benchmark-results.md")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def run_on(folder: Path, cpu: str) -> Path:
    write_example_run(folder, trials=2)
    info = json.loads((folder / "run.json").read_text())
    info["machine"] = {"cpu": cpu, "cores": 2, "cores_allowed": 2, "memory_gb": 16.0,
                       "machine": "x86_64"}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(info))
    return folder


def keep(gate: ModuleType, *names: str) -> None:
    gate.KEPT.write_text("".join(json.dumps({"run": name}) + "\n" for name in names))


def test_the_base_is_the_last_kept_run_of_the_same_machine(
    gate: ModuleType, tmp_path: Path
) -> None:
    older, newer = run_on(tmp_path / "older", "Fast"), run_on(tmp_path / "newer", "Fast")
    run_on(tmp_path / "elsewhere", "Slow")
    keep(gate, "older", "newer", "elsewhere", "removed")
    assert gate.last_of_this_machine(run_on(tmp_path / "now", "Fast")) == newer
    keep(gate, "newer", "older")
    assert gate.last_of_this_machine(tmp_path / "now") == older


def test_without_a_kept_run_of_this_machine_there_is_no_base(
    gate: ModuleType, tmp_path: Path
) -> None:
    now = run_on(tmp_path / "now", "Fast")
    assert gate.last_of_this_machine(now) is None
    run_on(tmp_path / "elsewhere", "Slow")
    keep(gate, "elsewhere")
    assert gate.last_of_this_machine(now) is None


@pytest.mark.parametrize(("code", "kept"), [(0, True), (2, True), (1, False)])
def test_a_run_that_breaks_a_gate_is_written_down_and_not_kept(
    gate: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    kept: bool,
) -> None:
    run_on(tmp_path / "base", "Fast")
    now = run_on(tmp_path / "now", "Fast")
    keep(gate, "base")

    def lab(*words: str | Path) -> int:
        if words[0] == "report":
            Path(words[-1]).write_text("the tables")
            return 0
        Path(words[-1]).write_text(f"compared with {Path(words[1]).name}")
        return code

    monkeypatch.setattr(gate, "lab", lab)
    monkeypatch.setattr("sys.argv", ["gate.py", "--run", str(now)])
    assert gate.main() == (0 if kept else 1)
    text = gate.DOCUMENT.read_text()
    assert "the tables" in text and "compared with base" in text
    names = [json.loads(line)["run"] for line in gate.KEPT.read_text().splitlines()]
    assert names == (["base", "now"] if kept else ["base"])
    assert ("a gate is broken" in capsys.readouterr().err) == (not kept)
