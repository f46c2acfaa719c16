"""The scripted model: the row, apart from the adapter, which imports numpy."""

from __future__ import annotations

import dataclasses

from pipelines.duplex.session.row import AdapterRow

ROW = AdapterRow(
    name="scripted",
    what="no model: it takes as long as its script says",
    families=("scripted",),
    licence="Apache-2.0",
    path="pipelines.duplex.scripted.model:ScriptedDuplex",
    abilities=("text_stream", "forced_text"),
    arguments=lambda model, script: dataclasses.asdict(script),
    label="scripted",
    tested="exact answers",
)
