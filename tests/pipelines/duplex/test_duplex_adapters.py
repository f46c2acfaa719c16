"""An adapter of a duplex model is one module with its row, found where it lies."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.duplex.adapters import adapter_of, all_rows, families
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import SpecError
from pipelines.process.environment import ENVIRONMENTS
from pipelines.registry import load_object
from pipelines.spec import parse_spec

ROOT = Path(__file__).parents[3]
HEAVY = {"pipecat", "pydantic", "torch", "mlx", "onnxruntime", "rustymimi", "sphn", "websockets",
         "scipy", "espeakng_loader"}  # fmt: skip


def test_every_adapter_of_today_is_found_with_the_families_that_it_serves() -> None:
    shipped = ["mlx", "torch", "onnx", "server", "nano", "scripted"]
    assert [row.name for row in all_rows() if row.name in shipped] == shipped
    assert (
        families().items()
        >= {
            "moshi": ("mlx", "torch", "onnx", "server"),
            "personaplex": ("server",),
            "nano": ("nano",),
            "scripted": ("scripted",),
        }.items()
    )


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: row.name)
def test_an_adapter_takes_the_arguments_that_its_row_gives_it(row: AdapterRow) -> None:
    weights = {"nano": "shipped"}.get(row.name, "synthetic")
    model = ModelOptions(f"{row.families[0]}-x", backend=row.name, weights=weights, url="ws://h:1")
    assert adapter_of(model) is row
    given = row.arguments(model, ScriptOptions())
    if row.name == "nano":
        assert row.weights is not None
        given |= row.weights.arguments(model)
    elif row.weights:  # their files are not made for this
        given |= dict.fromkeys(("config", "lm", "mimi", "tokenizer"), "")
    inspect.signature(load_object(row.path)).bind(**given)
    assert not row.environment or row.environment in ENVIRONMENTS


def test_reading_all_rows_imports_nothing_heavy_and_no_numpy() -> None:
    code = (
        "import sys; from pipelines.duplex.adapters import all_rows; assert len(all_rows()) >= 5;"
        f"found = {HEAVY | {'numpy'}!r} & {{name.split('.')[0] for name in sys.modules}};"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_an_unknown_backend_names_those_that_serve_the_model() -> None:
    with pytest.raises(SpecError, match=r"backend = 'mxl' does not serve 'moshi-tiny': set 'mlx'"):
        adapter_of(ModelOptions("moshi-tiny", backend="mxl"))


def test_a_preset_with_an_unknown_backend_says_so_wherever_it_is_asked() -> None:
    from pipelines.readiness.capability import lacks, parts_of

    spec = parse_spec(
        "mine",
        'title = "x"\narchitecture = "duplex"\nkind = "duplex"\nweights = "synthetic"\n'
        '[model]\nid = "moshi-tiny"\nbackend = "mxl"\n',
    )
    with pytest.raises(SpecError, match=r"mine\.toml \[model\]: backend = 'mxl'"):
        parts_of(spec)
    with pytest.raises(SpecError, match=r"mine\.toml \[model\]: backend = 'mxl'"):
        lacks(spec)


@pytest.mark.parametrize(
    "row", [row for row in all_rows() if row.name != "server"], ids=lambda row: row.name
)
def test_a_row_declares_what_its_class_can(row: AdapterRow) -> None:
    declared = load_object(row.path).capabilities  # of a server it depends on the model
    can = {
        name for name in ("text_stream", "forced_text", "sum_condition") if getattr(declared, name)
    }
    assert set(row.abilities) == can
