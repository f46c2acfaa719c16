"""The slow reasoner's process: which language model plans, and where it runs."""

from __future__ import annotations

from typing import Any

from pipelines.cache import Tell
from pipelines.engines import made
from pipelines.engines.adapters import engine_row
from pipelines.engines.model_files import model_of
from pipelines.engines.options import OLLAMA_URL, LlmOptions
from pipelines.engines.processes import LOAD_S, llm_engine
from pipelines.errors import SpecError
from pipelines.process import environment
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.spec import load_spec

PLAN_S = 300.0
"""Longest silence of a planner while it thinks, s."""
CANCEL_S = 30.0
"""Longest step of its language model, s: reading a whole prompt on one core."""


def provide_planner(preset: str, tell: Tell) -> None:
    """Makes what a planner's language model needs and this machine lacks.

    Raises:
        LabError: there is no such preset, it has no language model, or it can't be had.
    """
    options = _llm(preset)
    row = engine_row("llm", options.engine)
    if row.environment:
        environment.ensure(row.environment, tell)
    if (model := model_of(options)).startswith(made.PREFIX):
        made.ensure(row.name, model, tell)


async def planner_process(preset: str, most_tokens: int, models: ModelPool) -> ModelProcess:
    """The process in which a preset's language model plans.

    Raises:
        LabError: there is no such preset, it has no language model, or it can't be loaded.
    """
    given: dict[str, Any] = {"engine": "", "options": {}, "most_tokens": most_tokens}
    options = _llm(preset)
    interpreter = None
    if engine_row("llm", options.engine).service:
        given["options"] = {
            "url": options.url or OLLAMA_URL,
            "model": options.model,
            "api_key_variable": options.api_key_variable,
        }
    else:
        engine = llm_engine(options)
        given |= {"engine": engine.engine, "options": engine.options}
        if engine.environment and (interpreter := environment.find(engine.environment)) is None:
            raise SpecError(
                f"[watch] planner = {preset!r} needs the engine environment "
                f"{engine.environment!r}: duplex-lab engines build {engine.environment}."
            )
    return await models.get(
        "slow reasoner",
        "pipelines.watch.planner:PlannerEngine",
        given,
        interpreter=interpreter,
        load_timeout_s=LOAD_S,
        request_timeout_s=PLAN_S,
        cancel_grace_s=CANCEL_S,
    )


def _llm(preset: str) -> LlmOptions:
    """The language model of a preset.

    Raises:
        SpecError: there is no such preset, or it has none.
    """
    options = load_spec(preset).stages.get("llm")
    if not isinstance(options, LlmOptions):
        raise SpecError(f"[watch] planner = {preset!r}: that preset has no [llm] of a cascade.")
    return options
