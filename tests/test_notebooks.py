"""The notebooks run on the sample in a kernel of their own, draw their figures, and ship empty."""

import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra 'notebooks' is not installed")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parent.parent
FIGURES = {
    "01_where_the_time_goes": 4,
    "02_frames_against_80_ms": 4,
    "03_cascade_vs_duplex": 3,
    "04_design_your_own_experiment": 2,
}
"""Notebook → how many figures it draws."""


def read(name):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_notebook_is_listed_here():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_ships_without_outputs_and_is_well_formed(name):
    notebook = read(name)
    nbformat.validate(notebook)
    assert [cell.outputs for cell in code(notebook) if cell.outputs] == []
    assert {cell.execution_count for cell in code(notebook)} == {None}
    # Each figure is told about: what is to be seen stands before it.
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds[0] == "markdown"
    assert all(a != b for a, b in pairwise(kinds))


@pytest.fixture(scope="module")
def font_list(tmp_path_factory):
    """A folder in which Matplotlib keeps its list of fonts, which takes it seconds to make."""
    return str(tmp_path_factory.mktemp("matplotlib"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FIGURES)
# The kernel's own library warns that its sockets are plain TCP; they are this machine's.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_on_the_sample_without_a_warning(name, monkeypatch, font_list):
    monkeypatch.delenv("RUN", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    monkeypatch.setenv("PYTHONWARNINGS", "always")
    monkeypatch.setenv("MPLCONFIGDIR", font_list)
    notebook = read(name)
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources
    ).execute()
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    said = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert said == []
    assert sum("image/png" in o.get("data", {}) for o in outputs) == FIGURES[name]
