"""The row of an adapter of a duplex model, in a small file beside the adapter's module.

`pipelines.duplex.adapters` finds it there, and names the adapter without importing it: the model's
child process does that, by the interpreter of its environment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pipelines.duplex.session.options import ModelOptions

LOADER = "random weights through the real loader"
"""Test of adapters of models whose trained weights no test downloads."""


class Weights(Protocol):
    """The files of an adapter's model: the meaning of a preset's ``weights``, and their state.

    Only `provide` builds or makes anything, and only it and `listed` read every byte.
    """

    def arguments(self, model: ModelOptions) -> dict[str, Any]:
        """Their paths, as keyword arguments of the adapter.

        Raises:
            LabError: they are not there; one sentence.
        """

    def check(self, model: ModelOptions, where: str) -> None:
        """Refuses impossible values.

        Raises:
            SpecError: one sentence that begins with ``where``, file and table of the preset.
        """

    def provide(self, model: ModelOptions, tell: Callable[[str], None]) -> str:
        """Makes what is missing and can be made here; returns what they are, synthetic or trained.

        Raises:
            LabError: they are not there and can't be made.
        """

    def listed(self, model: ModelOptions) -> list[dict[str, str]]:
        """The files, as ``run.json`` lists them: name, file, sha256."""

    def reads(self, model: ModelOptions) -> str:
        """The model id or path that `pipelines.models` is asked for; empty: they lie elsewhere."""

    def unmade(self, model: ModelOptions) -> str:
        """The random weights that a run makes first, in a word or two; empty: none."""

    def missing(self, model: ModelOptions) -> list[str]:
        """Missing files that no fetch brings, a sentence each.

        Raises:
            LabError: the same, of files that are damaged.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRow:
    """One adapter."""

    name: str
    """Name in a preset's ``backend``."""
    what: str
    """Library or server, and its platform."""
    families: tuple[str, ...]
    """Prefixes of the ids of the models that it serves."""
    licence: str
    """Licence of the library."""
    path: str
    """``module:class`` of the adapter, a `pipelines.duplex.session.model.DuplexModel`, which is not
    imported here."""
    arguments: Callable[[ModelOptions, Any], dict[str, Any]] = lambda model, script: {}
    """([model], [script]) → keyword arguments of the class, beside those of its weights."""
    weights: Weights | None = None
    """Its files; None: it has none."""
    environment: str = ""
    """Key of `pipelines.process.environment.ENVIRONMENTS`; empty: our own interpreter."""
    label: Literal["", "scripted"] = ""
    """Label of a preset's rows; empty: that of its weights."""
    remote: bool = False
    """True if it computes elsewhere: it needs a ``url``, and its service time can't be measured."""
    abilities: tuple[str, ...] = ()
    """Fields of its `Capabilities` that are true of every model it serves."""
    prompts: bool = False
    """True if it takes ``voice_prompt`` and ``text_prompt``."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices that it can compute on, the usual one first."""
    tested: str = LOADER
    """Weights or doubles with which our tests run it."""
    imports: tuple[str, ...] = ()
    """Packages of an extra that it needs in our own interpreter."""
    extra: str = ""
    """That extra of duplex-lab."""
