"""Functions that a client offers to a pipeline's language model, by Pipecat's function calling.

The model calls one: the client gets a `ToolCall`, the call waits for the client's `ToolOutput`, and
the model goes on with it. A user who interrupts ends the wait; a result that comes later is told to
the model as a fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import Frame, LLMMessagesAppendFrame, LLMSetToolsFrame
from pipecat.services.llm_service import FunctionCallParams

from pipelines.guards.texts import parse_json
from pipelines.host import Skills
from pipelines.link.functions import tools_of
from pipelines.server.session.events import FUNCTION_NAME, ToolCall, ToolOutput
from pipelines.server.session.states import SessionError

NOTHING = "(no output)"
"""Result for the model where the client gave none: by an empty one Pipecat would not go on."""


class _Schema(FunctionSchema):
    """A function with its whole JSON schema; Pipecat's own keeps two of a schema's keys."""

    def __init__(self, function: Mapping[str, Any], handler: Any) -> None:
        parameters = dict(function.get("parameters") or {"type": "object", "properties": {}})
        super().__init__(
            name=function["name"],
            description=str(function.get("description") or ""),
            properties=dict(parameters.get("properties") or {}),
            required=list(parameters.get("required") or []),
            handler=handler,
        )
        self._parameters = parameters

    def to_default_dict(self) -> dict[str, Any]:
        """The function as a server of OpenAI's protocol takes it."""
        return {"name": self.name, "description": self.description, "parameters": self._parameters}


class ClientFunctions:
    """The functions of one conversation's client, and the calls that wait for their result."""

    def __init__(self) -> None:
        self._offered: frozenset[str] = frozenset()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        """Call → its result, once it is there."""
        self._ended: dict[str, str] = {}
        """Call that an interruption ended → name of its function."""

    def offer(self, functions: Sequence[Mapping[str, Any]], skills: Skills | None = None) -> Frame:
        """The frame that offers these functions, in place of those before.

        Args:
            functions: The client's.
            skills: The server's own, which the model has beside them.

        Raises:
            SessionError: one has no name, that of a skill, or parameters that are no JSON schema.
        """
        own = tools_of(skills).standard_tools if skills else []
        taken = {tool.name for tool in own}
        for function in functions:
            name, parameters = function.get("name"), function.get("parameters")
            if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
                raise SessionError(
                    f"{str(name)[:80]!r} is no name of a function: letters, digits, _ and -, 64 "
                    "at most."
                )
            if name in taken:
                raise SessionError(f"{name} is a function of this server's own: take another name.")
            if parameters is not None and not isinstance(parameters, Mapping):
                raise SessionError(f"the parameters of the function {name} are no JSON schema.")
        self._offered = frozenset(function["name"] for function in functions)
        given = [_Schema(one, self._ask) for one in functions]
        return LLMSetToolsFrame(ToolsSchema([*given, *own]))

    def called(self, call: ToolCall) -> bool:
        """The model has called a function, and nobody was told yet; whether it is the client's."""
        if call.name not in self._offered:
            return False
        self._result(call.call_id)
        return True

    def give(self, given: ToolOutput) -> Frame | None:
        """Takes the client's result.

        Returns:
            What to tell the pipeline; None: the call that waits goes on by itself.

        Raises:
            SessionError: no such call waits.
        """
        future = self._waiting.get(given.call_id)
        if future is not None and not future.done():
            future.set_result(given.output)
            return None
        name = self._ended.pop(given.call_id, "")
        if not name:
            raise SessionError(f"no call {given.call_id[:80]!r} of a function waits for a result.")
        text = f"The function {name}, during which the user spoke, has given: {given.output}"
        return LLMMessagesAppendFrame([{"role": "developer", "content": text}], run_llm=True)

    async def _ask(self, params: FunctionCallParams) -> None:
        """Pipecat's handler of every function: waits for the client."""
        call_id = params.tool_call_id
        try:
            output = await self._result(call_id)
        except asyncio.CancelledError:
            self._ended[call_id] = params.function_name
            raise
        finally:
            self._waiting.pop(call_id, None)
        await params.result_callback(_read(output) or NOTHING)

    def _result(self, call_id: str) -> asyncio.Future[Any]:
        if call_id not in self._waiting:
            self._waiting[call_id] = asyncio.get_running_loop().create_future()
        return self._waiting[call_id]


def _read(output: Any) -> Any:
    """A result that is JSON's object or list as such, or its text would be quoted twice."""
    if not isinstance(output, str):
        return output
    try:
        found = parse_json(output)
    except ValueError:
        return output
    return found if isinstance(found, dict | list) else output
