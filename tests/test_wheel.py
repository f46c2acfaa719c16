"""The wheel works by itself: built, installed apart, run from elsewhere, without the checkout."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.store.store import read_run

ROOT = Path(__file__).parent.parent
PARTS = ("pipelines", "bench", "labs", "fixtures", "pyproject.toml", "setup.py", "README.md")
GUARD = """\
# Every process of the installed command begins here: no package may come from elsewhere.
import sys
from importlib.machinery import PathFinder

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pipelines", "bench", "labs", "training", "fixtures"):
            found = PathFinder.find_spec(name, path)
            if found and found.origin and not found.origin.startswith({home!r}):
                raise ImportError(f"{{name}} comes from {{found.origin}}")

sys.meta_path.insert(0, Guard())
"""


@dataclass
class Installed:
    """A wheel in a folder of its own."""

    home: Path
    """Where it is installed."""
    elsewhere: Path
    """The working folder: empty, outside of the checkout."""

    def run(self, *command: str) -> str:
        """Runs a command; returns what it printed."""
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(self.home / "guard"), str(self.home)]),
            "DUPLEX_LAB_CACHE": str(self.elsewhere / "cache"),
            "COLUMNS": "200",
        }
        environment.pop("DUPLEX_LAB_FIXTURES", None)
        done = subprocess.run(
            command, cwd=self.elsewhere, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lab(self, *words: str) -> str:
        """Runs ``duplex-lab``, as its script was installed."""
        return self.run(str(self.home / "bin" / "duplex-lab"), *words)

    def python(self, code: str) -> str:
        """Runs some Python beside it."""
        return self.run(sys.executable, "-c", code).strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Builds the wheel from a copy (a build leaves folders behind) and installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    source, home = folder / "source", folder / "home"
    source.mkdir()
    for name in (*PARTS, "LICENSE"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source)
    build = "import sys; from setuptools import build_meta as b; b.build_wheel(sys.argv[1])"
    made = folder / "dist"
    command = [sys.executable, "-c", build, str(made)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = made.glob("duplex_lab-*-py3-none-any.whl")
    assert wheel.stat().st_size < 45e6
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-deps", "--no-index", "--no-compile", "--target", str(home), str(wheel)]
    subprocess.run(pip, cwd=folder, check=True)
    (home / "guard").mkdir()
    guard = GUARD.format(home=str(home))
    (home / "guard" / "sitecustomize.py").write_text(guard, encoding="utf-8")
    (folder / "elsewhere").mkdir()
    return Installed(home, folder / "elsewhere")


def test_the_installed_command_says_what_it_can_do_and_lists_its_presets(installed):
    assert "Start with: duplex-lab run" in installed.lab("--help")
    shipped = {path.stem for path in (ROOT / "pipelines" / "presets").glob("*.toml")}
    rows = json.loads(installed.lab("presets", "list", "--json"))
    assert shipped <= {row["name"] for row in rows}


def test_a_scripted_run_is_measured_from_the_wheels_own_fixtures(installed):
    asked = "run --presets cascade-scripted --fixtures greet_hello --retries 0 --out run"
    assert "cascade-scripted" in installed.lab(*asked.split())
    run = read_run(installed.elsewhere / "run")
    assert [(t.fixture, t.warmup) for t in run.trials] == [
        ("greet_hello", True), ("greet_hello", False),
    ]  # fmt: skip
    # A busy machine may be late; what it may not be is unable.
    assert all(trial.status in ("ok", "ruler_late") for trial in run.trials)
    assert run.info["machine"]["commit"] == {"sha": None, "dirty": None}
    assert (installed.elsewhere / "run" / "report.png").is_file()


def test_the_wheel_carries_every_fixture_and_says_that_it_is_typed(installed):
    code = "from bench.fixtures.library import *; print(len(select('all')), fixtures_root())"
    many, root = installed.python(code).split()
    assert int(many) == len(list((ROOT / "fixtures").glob("*.toml")))
    assert Path(root) == installed.home / "pipelines" / "fixtures"
    assert all((installed.home / top / "py.typed").is_file() for top in PARTS[:3])


def test_an_engine_environment_sees_pipelines_and_no_other_package_of_ours(installed):
    code = "from pipelines.installation import engine_path as at; print(at()); assert at() == at()"
    folder = Path(installed.python(code))
    assert [path.name for path in folder.iterdir()] == ["pipelines"]
    assert (folder / "pipelines").samefile(installed.home / "pipelines")
