"""All models that have a manifest: those of this package, and the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.models.ids import ModelFilesError, ModelId, parse_id
from pipelines.models.lockfile import read_lock
from pipelines.models.manifest import Manifest, load_manifest
from pipelines.models.paths import SHIPPED, user_manifests
from pipelines.spec import did_you_mean


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Models by id."""

    models: dict[str, Manifest]
    """``name@variant`` → manifest."""

    def find(self, model_id: str) -> Manifest:
        """The model of an id.

        Raises:
            ModelFilesError: there is none, or several; the text names similar ones.
        """
        wanted = parse_id(model_id)
        same = [m for m in self.models.values() if m.name == wanted.name]
        if not same:
            names = {m.name for m in self.models.values()}
            raise ModelFilesError(
                f"There is no model {wanted.name!r}{did_you_mean(wanted.name, names)}: "
                "'duplex-lab models list' shows all, and a manifest of your own in "
                f"{user_manifests()} adds one."
            )
        if wanted.sha256:
            return _by_digest(same, wanted)
        if not wanted.variant:
            if len(same) == 1:
                return same[0]
            raise ModelFilesError(f"{model_id!r} is one of several: {_ids(same)}; name one.")
        found = self.models.get(f"{wanted.name}@{wanted.variant}")
        if found is None:
            near = did_you_mean(wanted.variant, [m.variant for m in same])
            raise ModelFilesError(
                f"{wanted.name} has no variant {wanted.variant!r}{near}; known: {_ids(same)}."
            )
        return found

    def has_name(self, text: str) -> bool:
        """True if the text before the ``@`` is some model's name."""
        return text.partition("@")[0] in {m.name for m in self.models.values()}

    def of_repo(self, repo: str) -> Manifest | None:
        """The model of a hub repository, where exactly one manifest names it."""
        found = [m for m in self.models.values() if (m.source.kind, m.source.at) == ("hub", repo)]
        return found[0] if len(found) == 1 else None


def load_catalogue(extra: Sequence[Path] = ()) -> Catalogue:
    """Reads every manifest.

    Args:
        extra: More manifests' files.

    Raises:
        ModelFilesError: one is wrong, or two have the same id.
    """
    models: dict[str, Manifest] = {}
    seen: dict[str, Manifest] = {}
    for path in [*_shipped(), *sorted(user_manifests().glob("*.toml")), *extra]:
        manifest = load_manifest(path)
        other = seen.setdefault(manifest.id.lower(), manifest)  # one folder to macOS
        if other.origin != path:
            raise ModelFilesError(
                f"{path} and {other.origin} are both of {manifest.id}: rename one, or remove it."
            )
        models[manifest.id] = manifest
    return Catalogue(models)


def _shipped() -> list[Path]:
    return sorted([*SHIPPED.glob("manifests/*.toml"), *SHIPPED.glob("*/manifest.toml")])


def digest(manifest: Manifest) -> str:
    """The HASH of ``name@sha256:HASH``: of the manifest, or of the fetched files; empty if
    unknown.
    """
    if manifest.digest:
        return manifest.digest
    lock = read_lock(manifest.id)
    return lock.digest if lock else ""


def _by_digest(same: list[Manifest], wanted: ModelId) -> Manifest:
    known = {m.id: digest(m) for m in same}
    for manifest in same:
        if known[manifest.id] == wanted.sha256:
            return manifest
    unknown = [m for m in same if not known[m.id]]
    if len(unknown) == 1:
        return unknown[0]  # not a pinned model: the fetch compares the bytes with the hash
    told = "; ".join(
        f"{i} is sha256:{d or 'unknown before it is fetched'}" for i, d in known.items()
    )
    raise ModelFilesError(f"No variant of {wanted.name} is sha256:{wanted.sha256}: {told}.")


def _ids(models: list[Manifest]) -> str:
    return ", ".join(sorted(m.id for m in models))
