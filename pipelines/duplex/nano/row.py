"""duplex-nano: the row, apart from the adapter, which imports numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.duplex.nano.files import NanoFiles
from pipelines.duplex.session.row import AdapterRow

if TYPE_CHECKING:
    from pipelines.duplex.session.options import ModelOptions


def _arguments(model: ModelOptions, script: Any) -> dict[str, Any]:
    return {"temperature": model.temperature, "text_temperature": model.text_temperature}


ROW = AdapterRow(
    name="nano",
    what="duplex-nano in onnxruntime",
    families=("nano",),
    licence="Apache-2.0",
    path="pipelines.duplex.nano.model:NanoDuplex",
    abilities=("text_stream", "forced_text"),
    arguments=_arguments,
    weights=NanoFiles(),
    tested="its own weights",
)
