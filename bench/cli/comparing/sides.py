"""What is compared: the metrics, the two sides of each pair, the runs that they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.compare.compare import Compared
    from bench.compare.options import OptionDifference
    from bench.compare.pairs import Side


def metrics_of(names: str | None) -> Sequence[Compared]:
    """The metrics that are compared.

    Raises:
        LabError: one is unknown.
    """
    from bench.compare.compare import COMPARED
    from bench.metrics.table import SHARES

    if names is None:
        return COMPARED
    known = {one.metric: one for one in COMPARED}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        what = f"{unknown[0]!r} is not compared" if unknown else "none is named"
        raise LabError(f"--metrics: {what}; there are {', '.join(known)}.")
    # Whatever is chosen: no time stands without the share of turns that it leaves out.
    return [known[name] for name in dict.fromkeys([*(share.name for share in SHARES), *wanted])]


def sides_of(
    runs: Sequence[Path], presets: str | None, *, across_machines: bool
) -> tuple[list[tuple[Side, Side]], list[list[str]], list[tuple[OptionDifference, ...]]]:
    """The pairs to compare; of each, sentences about it and the options that differ."""
    from bench.compare.comparable import check_runs, check_sides
    from bench.compare.options import differing

    if len(runs) > 2:
        raise LabError(f"compare takes one run or two, not {len(runs)}.")
    names = [name.strip() for name in (presets or "").split(",") if name.strip()]
    base = _Opened(runs[0])
    candidate = base if len(runs) == 1 else _Opened(runs[1])
    remarks = check_runs(base.origin, candidate.origin, across_machines=across_machines)
    if len(runs) == 1:
        wanted = _of_one_run(names)
    else:
        both = [name for name in base.presets if name in candidate.presets]
        wanted = [_split(name) for name in names] or [(name, name) for name in both]
        if not wanted:
            raise LabError(
                f"{runs[0]} and {runs[1]} hold no preset of the same name "
                f"({', '.join(base.presets)} and {', '.join(candidate.presets)}); name two with "
                "--presets BASE=CANDIDATE."
            )
    sides = [(base.side(own), candidate.side(theirs)) for own, theirs in wanted]
    said = [[*remarks, *check_sides(*pair), *base.proposed(pair)] for pair in sides]
    options = [differing(base.options(own), candidate.options(theirs)) for own, theirs in wanted]
    return sides, said, options


def _of_one_run(names: Sequence[str]) -> list[tuple[str, str]]:
    if any("=" in name for name in names):
        return [_split(name) for name in names]
    if len(names) < 2:
        raise LabError(
            "of one run two presets can be compared: name them, --presets BASE,CANDIDATE."
        )
    return [(names[0], name) for name in names[1:]]


def _split(name: str) -> tuple[str, str]:
    base, _, candidate = name.partition("=")
    return base.strip(), (candidate or base).strip()


class _Opened:
    """A run's folder, read only."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        from bench.compare.comparable import Origin
        from bench.store import store
        from bench.store.schema import VERSION_KEY
        from bench.summary.figures import figures_shown
        from bench.summary.summary import summarise

        self.path = path
        self.run = store.read_run(path)
        if not (path / "metrics.parquet").is_file():
            raise LabError(
                f"{path}: its metrics are not computed yet; run: duplex-lab metrics {path}"
            )
        self.rows = store.read_metrics(path)
        metadata = pq.read_schema(path / "metrics.parquet").metadata or {}
        summary = summarise(self.run, self.rows)
        frames = {one.preset: one for one in summary.duplex}
        self._shown = {p.preset: figures_shown(p, frames.get(p.preset)) for p in summary.presets}
        self.origin = Origin(str(path), self.run.info, int(metadata.get(VERSION_KEY, b"0")))

    @property
    def presets(self) -> list[str]:
        """The presets that it holds."""
        return list(dict.fromkeys(t.preset for t in self.run.trials if not t.warmup))

    def proposed(self, pair: tuple[Side, Side]) -> list[str]:
        """Says how many of the fixtures that both sides heard have proposed labels."""
        from bench.store.labels import proposed_note

        own, theirs = pair
        names = [n for n in self.run.proposed() if n in own.fixtures and n in theirs.fixtures]
        return [proposed_note(names)] if names else []

    def side(self, preset: str) -> Side:
        """One preset of it.

        Raises:
            LabError: there is none of that name.
        """
        from bench.compare.pairs import Side

        if preset not in self.presets:
            raise LabError(
                f"{self.path}: there is no preset {preset!r} in it; there are "
                f"{', '.join(self.presets) or 'none'}."
            )
        name = self.path.resolve().name
        return Side.of(name, preset, self.run.trials, self.rows, self._shown.get(preset))

    def options(self, preset: str) -> Mapping[str, Any] | None:
        """What the run recorded of a preset; None if nothing."""
        found = (self.run.info.get("presets") or {}).get(preset)
        return found if isinstance(found, Mapping) else None
