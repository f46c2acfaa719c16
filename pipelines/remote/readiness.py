"""The parts of a preset whose agent is elsewhere, and the keys that it lacks."""

from __future__ import annotations

import os

from pipelines.errors import SpecError
from pipelines.readiness.part import Part
from pipelines.remote.options import RemoteOptions
from pipelines.spec import PipelineSpec


def parts(spec: PipelineSpec) -> list[Part]:
    """Its line: the model behind it is not known."""
    options: RemoteOptions = spec.stages["agent"]
    return [Part(options.line, "", "the agent's", ("the agent's",), "a fake peer")]


def missing(spec: PipelineSpec) -> list[str]:
    """The environment variables that are to hold keys, and don't."""
    options: RemoteOptions = spec.stages["agent"]
    return [
        f"the environment variable {name} is not set: it is to hold the header {header}"
        for header, name in options.headers_from_env.items()
        if not os.environ.get(name)
    ]


def headers(options: RemoteOptions) -> dict[str, str]:
    """The headers with their values of the environment.

    Raises:
        SpecError: a variable is not set.
    """
    found = {}
    for header, name in options.headers_from_env.items():
        value = os.environ.get(name, "")
        if not value:
            raise SpecError(
                f"The environment variable {name} is not set: it is to hold the header {header}."
            )
        bare = header.lower() == "authorization" and " " not in value.strip()
        found[header] = f"Bearer {value.strip()}" if bare else value
    return found


def provide(spec: PipelineSpec, tell: object) -> None:
    """Refuses a preset whose keys are missing, before anything is played.

    Raises:
        SpecError: a variable is not set.
    """
    headers(spec.stages["agent"])
