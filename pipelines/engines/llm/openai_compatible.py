"""Language models of any server of OpenAI's protocol (llama.cpp, vLLM …), through Pipecat."""

from __future__ import annotations

from pipelines.engines.row import FUNCTIONS, EngineRow

ROW = EngineRow(
    stage="llm",
    name="openai-compatible",
    what="any server of OpenAI's protocol, through Pipecat",
    licence="the server's",
    service="pipelines.cascade.llm_server:make",
    ready="pipelines.cascade.llm_server:check_server",
    lacks="pipelines.engines.servers:lacks",
    devices=("its server's",),
    capabilities=("streaming", "a server's own models", FUNCTIONS),
    tested="protocol double",
    untested="no real server yet",
)
