"""Does `duplex-lab capacity` find what queueing theory says? An agent that is an M/D/c queue.

python scripts/capacity_theory.py                  in real time; N* near 43; about ten minutes
python scripts/capacity_theory.py --virtual        on a clock that is moved: two minutes
python scripts/capacity_theory.py --write          writes the table into docs/capacity.md

Prints the load at which theory puts the limit (a quantile of the wait: bench/simulated/queue.py),
the load that was found, what such a search finds of the bare queue, by chance alone, and how the
measured quantiles lie beside the theory's at each load.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402

from bench.caller.mouth import CHUNK_MS  # noqa: E402
from bench.capacity.arrivals import arrivals  # noqa: E402
from bench.capacity.asked import Asked  # noqa: E402
from bench.capacity.capacity import Kept, find_capacity, search_with  # noqa: E402
from bench.capacity.doubles.queue_calls import QueueCallers  # noqa: E402
from bench.capacity.own_limit import cheap_agent  # noqa: E402
from bench.capacity.search import search  # noqa: E402
from bench.capacity.slo import Slo, State  # noqa: E402
from bench.fixtures.library import select  # noqa: E402
from bench.report.capacity import verdict  # noqa: E402
from bench.simulated.queue import largest_rate, waits_of, waits_s  # noqa: E402
from bench.simulated.queue_agent import HANG_S  # noqa: E402
from bench.stats.quantiles import quantile  # noqa: E402
from bench.store.store import read_info  # noqa: E402
from pipelines.errors import LabError  # noqa: E402
from pipelines.remote.preset import remote_specs  # noqa: E402

FIXTURES = "cmd_dance,cmd_go_kitchen,cmd_turn_left,cmd_stop"
"""One turn each, so that turns come at random as calls do."""
SEARCHES = 40
"""Searches of the bare queue that say how far chance alone moves the result."""
HEAD = (
    "load",
    "calls",
    "p95, ms",
    "its bound",
    "theory's p95",
    "state",
    "mouth p99, ms",
    "CPU a call",
)
PAGE, MARK = ROOT / "docs" / "capacity.md", "theory"


@dataclass(frozen=True, slots=True)
class Law:
    """An M/D/c queue, and the limit of its wait."""

    service_s: float
    servers: int
    wait_s: float

    @property
    def limit_ms(self) -> float:
        """Voice to voice at which the wait is at its limit.

        The agent hears the end of the user's speech with the chunk that holds it: half a chunk late
        on average.
        """
        return 1000 * (HANG_S + self.service_s + self.wait_s) + CHUNK_MS / 2

    @property
    def largest_rate(self) -> float:
        """Arrivals a second at which the 95th percentile of the wait is at its limit."""

        def holds(waits: np.ndarray) -> bool:
            return bool(np.quantile(waits, 0.95) <= self.wait_s)

        return largest_rate(self.service_s, self.servers, holds)

    def p95_ms(self, rate: float) -> float:
        """95th percentile of voice to voice at a rate of arrivals."""
        wait_s = float(np.quantile(waits_s(rate, self.service_s, self.servers), 0.95))
        return self.limit_ms + 1000 * (wait_s - self.wait_s)


def main() -> None:
    """Reads the command line, finds the load, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--service-ms", type=float, default=1000.0)
    parser.add_argument("--wait-ms", type=float, default=500.0, help="limit of the wait's p95")
    parser.add_argument("--calls", type=int, default=600, help="calls of a load that count")
    parser.add_argument("--start", type=float, default=32.0)
    parser.add_argument("--most", type=float, default=0.0, help="largest load; 0: twice the first")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--virtual", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    law = Law(chosen.service_ms / 1000, chosen.servers, chosen.wait_ms / 1000)
    with tempfile.TemporaryDirectory() as at:
        run_dir = Path(at) / "run"
        try:
            kept = _found(law, chosen, run_dir)
        except LabError as error:  # what was played by then says something too
            print(error)
            kept = read_info(run_dir)["capacity"]
    lines = [*_table(law, kept, virtual=chosen.virtual)]
    print("\n".join(["", *verdict(kept), *lines]))
    if chosen.write:
        PAGE.write_text(filled(PAGE.read_text("utf-8"), MARK, "\n".join(lines)), "utf-8")


def _found(law: Law, chosen: argparse.Namespace, run_dir: Path) -> Kept:
    def tell(text: str) -> None:
        print(text, flush=True)

    def asked(url: str) -> Asked:
        (spec,) = remote_specs([url], ["pcm-websocket"], [])
        options = replace(spec.stages["agent"], greeting_s=0.0)
        return Asked(
            replace(spec, name="queue", stages={"agent": options}, weights="scripted"),
            tuple(select(FIXTURES)),
            (Slo.parse(f"voice_to_voice.p95<={law.limit_ms:.0f}ms"),),
            first=chosen.start,
            limit=chosen.most or 2 * chosen.start,
            most_minutes=600.0 if chosen.virtual else chosen.minutes,
            calls=chosen.calls,
            repeats=chosen.repeats,
        )

    if chosen.virtual:
        callers = QueueCallers(law.service_s, law.servers)
        return search_with(asked("ws://127.0.0.1:1/talk"), run_dir, callers, tell)
    with cheap_agent(chosen.service_ms, chosen.servers) as url:
        return find_capacity(asked(url), run_dir, tell)


def _table(law: Law, kept: Kept, *, virtual: bool) -> Iterator[str]:
    """The result beside theory, in Markdown."""
    mean_s, n = kept["mean_length_s"], kept["calls_a_load"]
    theory = law.largest_rate * mean_s
    ratio = f"{kept['most'] / theory:.2f} of it" if kept["most"] else "none of it"
    low, middle, high = np.quantile(_by_chance(law, kept), (0.05, 0.5, 0.95), method="nearest")
    yield (
        f"Theory (M/D/{law.servers}, service {1000 * law.service_s:.0f} ms, p95 of the wait at "
        f"most {1000 * law.wait_s:.0f} ms, calls of {mean_s:.2f} s): **N\\* = {theory:.1f}**. "
        f"Found {'in virtual time' if virtual else 'in real time'}, {n} calls a load: **N\\* = "
        f"{kept['most'] or 0:g}**, {ratio}. {SEARCHES} such searches of the bare queue, without "
        f"any audio, find {middle:g} (90 % of them {low:g} to {high:g})."
    )
    yield ""
    yield f"| {' | '.join(HEAD)} |"
    yield "|---" * len(HEAD) + "|"
    for row in sorted(kept["levels"], key=lambda one: (one["load"], one["repeat"])):
        (of,) = row["slos"].values()
        cells = (
            f"{row['load']:g}",
            f"{row['calls']}",
            *("–" if of[part] is None else f"{of[part]:.0f}" for part in ("value", "bound")),
            f"{law.p95_ms(row['load'] / mean_s):.0f}",
            row["state"],
            f"{row['mouth_p99_ms'] or 0:.1f}",
            f"{row['cpu_percent_a_call']:.2f} %",
        )
        yield f"| {' | '.join(cells)} |"


def _by_chance(law: Law, kept: Kept) -> list[float]:
    """What the search finds of the bare queue, with arrivals that only their seeds tell apart."""
    lengths_s = kept["lengths_s"]

    def one(seed: int) -> float:
        def play(load: float, repeat: int) -> State:
            calls = arrivals(lengths_s, load, kept["calls_a_load"], f"{seed}.{repeat}")
            # The answer is asked for some time before the end of a call: that of its own length.
            asked = sorted((c.at_s + lengths_s[c.fixture], c.settled) for c in calls)
            waits = waits_of([at_s for at_s, _ in asked], law.service_s, law.servers)
            counted = [w for w, (_, is_counted) in zip(waits, asked, strict=True) if is_counted]
            bound = quantile(counted, 0.95).high
            return "holds" if bound is not None and bound <= law.wait_s else "broken"

        limit = min(kept["largest"], kept["callers_limit"])
        return search(play, first=kept["first"], limit=limit, repeats=kept["repeats"]).most or 0.0

    return [one(seed) for seed in range(SEARCHES)]


if __name__ == "__main__":
    main()
