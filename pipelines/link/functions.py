"""A host's skills as functions that a language model of Pipecat's calls."""

from __future__ import annotations

from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.services.llm_service import FunctionCallParams, LLMService

from pipelines.host import Skills


def tools_of(skills: Skills) -> ToolsSchema:
    """The skills as a context names them to its model."""
    return ToolsSchema(
        standard_tools=[
            FunctionSchema(
                name=skill["name"],
                description=skill["description"],
                properties=dict(skill["parameters"].get("properties", {})),
                required=list(skill["parameters"].get("required", ())),
            )
            for skill in skills.declared()
        ]
    )


def register(skills: Skills, llm: LLMService[Any]) -> None:
    """Lets a language model call the skills."""

    async def call(params: FunctionCallParams) -> None:
        output = await skills.call(params.tool_call_id, params.function_name, params.arguments)
        await params.result_callback(output)

    for skill in skills.declared():
        llm.register_function(skill["name"], call)
