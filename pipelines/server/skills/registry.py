"""`Registry`: the skills of a server by their names, and whether a call's arguments fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.errors import LabError
from pipelines.server.skills.skill import Skill
from pipelines.spec import did_you_mean

LONGEST_FAULT = 200
"""Characters of a fault; a schema's checker quotes the whole value."""


class Registry:
    """Skills by name.

    Args:
        skills: Each with a name of its own.

    Raises:
        LabError: two have one name, or a schema is none.
    """

    def __init__(self, skills: Sequence[Skill] = ()) -> None:
        self._skills = {skill.name: skill for skill in skills}
        if len(self._skills) < len(skills):
            names = [skill.name for skill in skills]
            twice = next(name for name in names if names.count(name) > 1)
            raise LabError(f"skills: two are called {twice!r}: rename one.")
        self._checks = {skill.name: _checker(skill) for skill in skills}

    @property
    def names(self) -> list[str]:
        """All names."""
        return list(self._skills)

    def get(self, name: str) -> Skill | None:
        """The skill of a name; None: there is none."""
        return self._skills.get(name)

    def fault(self, name: str, arguments: object) -> str:
        """Why a call is refused, one sentence; empty: it may run."""
        if name not in self._skills:
            known = ", ".join(self._skills) or "none"
            return f"there is no skill {name!r}{did_you_mean(name, self._skills)}; known: {known}"
        found = next(iter(self._checks[name].iter_errors(arguments)), None)
        if found is None:
            return ""
        where = "".join(f".{part}" for part in found.absolute_path)
        message = " ".join(str(found.message).split())
        return f"{name}{where}: {message[:LONGEST_FAULT]}"

    def declared(self) -> list[Mapping[str, Any]]:
        """Each as a table: name, description, parameters."""
        return [
            {
                "name": skill.name,
                "description": skill.description,
                "parameters": skill.parameters,
            }
            for skill in self._skills.values()
        ]


def _checker(skill: Skill) -> Any:
    """What checks a skill's arguments.

    Raises:
        LabError: its schema is no JSON Schema of an object.
    """
    try:
        from jsonschema import Draft202012Validator, SchemaError
    except ModuleNotFoundError:
        raise LabError(
            "Skills need the package 'jsonschema': install the extra duplex-lab[serve]."
        ) from None
    try:
        Draft202012Validator.check_schema(skill.parameters)
    except SchemaError as error:
        raise LabError(f"skill {skill.name}: its schema is none: {error.message}.") from None
    if skill.parameters.get("type") != "object":
        raise LabError(f"skill {skill.name}: its schema must be of type 'object'.")
    return Draft202012Validator(skill.parameters)
