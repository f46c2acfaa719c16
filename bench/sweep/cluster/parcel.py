"""What travels to a machine and back: a shard's plan, its presets and fixtures by content, a run.

Contents are known by their SHA-256: each travels once, however many shards need it, and is checked
where it arrives.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.fixtures.library import Fixture
from bench.machine import description
from bench.runner.kept_plan import kept_plan
from bench.runner.plan import Plan
from bench.sweep.grid import Shard
from pipelines.errors import LabError

PLAYER = "bench.sweep.local:play_plan"
"""What plays a shard's plan into a folder."""


@dataclass(frozen=True, slots=True)
class Order:
    """A shard to be played elsewhere."""

    shard: str
    """Its name."""
    cell: str
    """Name of its cell."""
    seconds: float
    """Its estimated duration, s."""
    plan: Mapping[str, Any]
    """`bench.runner.plan.Plan.identity`, with the checksum of each preset's text in its place."""
    files: Mapping[str, str]
    """Name of each file of its fixtures → checksum."""
    retries: int
    """See `bench.sweep.sweep_file.SweepFile.retries`."""
    spin: bool
    """False to let the cores doze."""
    version: str
    """Version and commit of duplex-lab that planned it."""
    player: str = PLAYER
    """``module:function`` that plays it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Checksums of all contents, each once."""
        return tuple(dict.fromkeys([*self.plan["presets"].values(), *self.files.values()]))


def version() -> str:
    """The version and commit of this duplex-lab, in a few words."""
    said = description.describe()
    sha = said["commit"]["sha"]
    return f"{said['packages']['duplex-lab']}" + (f", commit {sha[:10]}" if sha else "")


def order_of(shard: Shard, version: str, *, spin: bool = True, player: str = PLAYER) -> Order:
    """The order of a shard."""
    plan = shard.plan
    identity = plan.identity()
    presets = {name: _hash(text.encode()) for name, text in identity["presets"].items()}
    files = {name: _hash(path.read_bytes()) for f in plan.fixtures for name, path in _files(f)}
    return Order(
        shard.name,
        shard.cell.name,
        plan.seconds(),
        {**identity, "presets": presets},
        files,
        shard.cell.retries,
        spin,
        version,
        player,
    )


def contents_of(plans: list[Plan]) -> dict[str, bytes]:
    """Checksum → content, of all presets and fixtures of some plans."""
    texts = [spec.toml.encode() for plan in plans for spec in plan.specs]
    fixtures = {fixture.name: fixture for plan in plans for fixture in plan.fixtures}
    files = [path.read_bytes() for f in fixtures.values() for _, path in _files(f)]
    return {_hash(content): content for content in (*texts, *files)}


def _files(fixture: Fixture) -> list[tuple[str, Path]]:
    """The files of a fixture, by their names beside its TOML."""
    paths = dict.fromkeys([fixture.path, *(turn.wav for turn in fixture.turns)])
    return [(str(path.relative_to(fixture.path.parent)), path) for path in paths]


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def lay_out(order: Order, contents: Mapping[str, bytes], folder: Path) -> None:
    """Writes an order and its contents into a folder, for `read_order`.

    Raises:
        LabError: a content is not what its checksum says.
    """
    for name, content in contents.items():
        if _hash(content) != name:
            raise LabError(f"{order.shard}: a content arrived damaged (its SHA-256 is not {name}).")
    fixtures = folder / "fixtures"
    for name, of in order.files.items():
        path = fixtures / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[of])
    texts = {name: contents[of].decode() for name, of in order.plan["presets"].items()}
    whole = {**asdict(order), "plan": {**order.plan, "presets": texts}}
    (folder / "order.json").write_text(json.dumps(whole), encoding="utf-8")


def read_order(folder: Path) -> tuple[Order, Plan]:
    """An order that was laid out, and its plan; fixtures are looked for where they are set.

    Raises:
        LabError: a preset or a fixture is not right here.
    """
    path = folder / "order.json"
    order = Order(**json.loads(path.read_text(encoding="utf-8")))
    plan = kept_plan(order.plan, str(path))
    if plan.identity()["fixtures"] != order.plan["fixtures"]:
        raise LabError(f"{order.shard}: its fixtures are not those of the plan.")
    return order, plan


def pack(folder: Path) -> bytes:
    """The files of a run, in one piece."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                archive.write(path, path.relative_to(folder))
    return written.getvalue()


def unpack(packed: bytes, folder: Path, remove: Callable[[Path], None]) -> None:
    """Puts a run in the place of a folder, whole or not at all.

    Args:
        packed: What `pack` made.
        folder: The folder.
        remove: Removes what is there.
    """
    arriving = folder.with_name(f".arriving-{folder.name}")
    for there in (arriving, folder):
        if there.exists():
            remove(there)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(arriving)
    arriving.replace(folder)
