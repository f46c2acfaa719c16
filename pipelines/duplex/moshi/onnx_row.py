"""Moshi in ONNX Runtime: the row and its files, apart from the adapter, which imports numpy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.duplex.moshi.weights.check import check_lm
from pipelines.duplex.moshi.weights.files import SYNTHETIC, size_of
from pipelines.duplex.moshi.weights.preset import MoshiWeights, sampling
from pipelines.duplex.session.options import ModelOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import SpecError
from pipelines.models.hashing import hashes_of
from pipelines.registry import load_object
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import read_header

PRECISIONS = ("q4", "q8", "f32")
CODEBOOKS = 8
MODULE = "pipelines.duplex.moshi.onnx.model"
"""The adapter's module, which is not imported here."""


class OnnxWeights(MoshiWeights):
    """The same files as other backends', and the graphs that are written from them."""

    def arguments(self, model: ModelOptions) -> dict[str, Any]:
        """See `pipelines.duplex.session.row.Weights.arguments`."""
        return super().arguments(self._held(model))

    def check(self, model: ModelOptions, where: str) -> None:
        """Refuses a precision that these graphs do not have."""
        if model.precision not in PRECISIONS:
            raise SpecError(
                f"{where}: precision = {model.precision!r} is not for backend = 'onnx': set "
                f"{', '.join(PRECISIONS)}, or backend = 'mlx'."
            )
        super().check(model, where)

    def provide(self, model: ModelOptions, tell: Callable[[str], None]) -> str:
        """Makes synthetic weights where they are missing, and the graphs."""
        label = super().provide(self._held(model), tell)
        load_object(f"{MODULE}:write_graphs")(self.arguments(model), model.precision, tell)
        return label

    def listed(self, model: ModelOptions) -> list[dict[str, str]]:
        """See `pipelines.duplex.session.row.Weights.listed`; and the codec's graphs, with the bits
        that the probe of this machine chose.
        """
        found = super().listed(self._held(model))
        graphs = load_object(f"{MODULE}:codec_graphs")(self.arguments(model)["mimi"])
        for name, graph in graphs:
            sha256 = hashes_of(graph).sha256
            found.append({"name": f"{model.id} {name}", "file": graph.name, "sha256": sha256})
        return found

    def unmade(self, model: ModelOptions) -> str:
        """See `pipelines.duplex.session.row.Weights.unmade`."""
        return super().unmade(self._held(model))

    def _held(self, model: ModelOptions) -> ModelOptions:
        """The options that find the file: a whole one, which is rounded here, where moshi_mlx would
        have to make a quantised one, or a folder has none.
        """
        whole = replace(model, precision="bf16")
        if model.weights == SYNTHETIC:
            return whole if "bf16" in size_of(model.id).precisions else model
        if model.precision == "f32":
            return model
        try:
            super().arguments(model)
        except WeightsError:
            with contextlib.suppress(WeightsError):
                super().arguments(whole)
                return whole
        return model


def check_file(path: Path, config: dict[str, Any], precision: str) -> None:
    """Checks the language model's file: quantised so, or whole, and then rounded here.

    Raises:
        WeightsError: it is damaged, another model's, or quantised otherwise.
    """
    is_quantised = "text_emb.scales" in read_header(path)
    if is_quantised and precision == "f32":
        raise WeightsError(
            f"{path} is quantised, and precision = 'f32' asks for a whole one: set q4 or q8"
        )
    check_lm(path, config, precision if is_quantised else "bf16")


ROW = AdapterRow(
    name="onnx",
    what="Moshi and Mimi in ONNX Runtime",
    families=("moshi",),
    licence="MIT",
    path=f"{MODULE}:MoshiOnnx",
    abilities=("text_stream", "forced_text", "sum_condition"),
    arguments=lambda model, script: sampling(model),
    weights=OnnxWeights(),
)
