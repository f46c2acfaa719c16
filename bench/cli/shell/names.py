"""Names that a shell completes, by the name of the parameter they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

RESULTS = Path("results")


def presets() -> Iterable[str]:
    """The shipped presets."""
    from pipelines.spec import preset_names

    return preset_names()


def fixtures() -> Iterable[str]:
    """The repository's fixtures, and the words for many of them."""
    from pipelines.installation import shipped_fixtures

    return [
        *sorted(path.stem for path in shipped_fixtures().glob("*.toml")),
        "all",
        "clean",
        "quick",
    ]


def runs() -> Iterable[str]:
    """The runs below ``results/``, the newest first by their names."""
    found = (path.parent for path in RESULTS.glob("*/run.json"))
    return [str(path) for path in sorted(found, reverse=True)]


def metrics() -> Iterable[str]:
    """The metrics of metrics.parquet."""
    from bench.metrics.table import METRICS

    return [metric.name for metric in METRICS]


def environments() -> Iterable[str]:
    """The engine environments."""
    from pipelines.process.environment import ENVIRONMENTS

    return list(ENVIRONMENTS)


def models() -> Iterable[str]:
    """The models that have a manifest."""
    from pipelines.models.catalogue import load_catalogue

    return list(load_catalogue().models)


OF: dict[str, Callable[[], Iterable[str]]] = {
    "preset": presets,
    "presets": presets,
    "fixtures": fixtures,
    "selector": fixtures,
    "run": runs,
    "runs": runs,
    "what": runs,
    "resume": runs,
    "metric": metrics,
    "metrics": metrics,
    "ids": models,
}
"""Parameter → the names that it takes."""
OF_COMMAND: dict[tuple[str, str], Callable[[], Iterable[str]]] = {("build", "name"): environments}
"""(sub-command, parameter) → the names, where other commands have a parameter of that name too."""


def completions(names: Iterable[str], typed: str) -> Iterator[str]:
    """The names that go on from what was typed; of a list by commas its last word goes on."""
    before, comma, last = typed.rpartition(",")
    for name in names:
        if name.startswith(last):
            yield f"{before}{comma}{name}"


def complete_names(command: Any) -> Any:
    """Lets a shell complete the parameters of a command, and of its sub-commands."""
    for parameter in command.params:
        source = OF_COMMAND.get((command.name, parameter.name)) or OF.get(parameter.name)
        if source is not None and hasattr(parameter, "_custom_shell_complete"):
            parameter._custom_shell_complete = _completer(source)
    for one in getattr(command, "commands", {}).values():
        complete_names(one)
    return command


def _completer(source: Callable[[], Iterable[str]]) -> Callable[[Any, Any, str], list[str]]:
    return lambda ctx, parameter, typed: list(completions(source(), typed))
