"""Language models of an Ollama server: no child process, Pipecat's service talks to the server."""

from __future__ import annotations

from pipelines.engines.row import FUNCTIONS, EngineRow

ROW = EngineRow(
    stage="llm",
    name="ollama",
    what="an Ollama server, through Pipecat",
    licence="MIT",
    service="pipelines.cascade.llm_server:make",
    ready="pipelines.cascade.llm_server:check_server",
    devices=("its server's",),
    capabilities=("streaming", "a server's own models", FUNCTIONS),
    tested="protocol double",
    untested="no real server yet",
)
