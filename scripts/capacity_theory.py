"""Does `duplex-lab capacity` find what queueing theory says? An agent that is an M/D/c queue.

python scripts/capacity_theory.py                     N* near 24; about half an hour
python scripts/capacity_theory.py --servers 2 --start 8

Prints the load at which theory puts the limit (a quantile of the wait: bench/simulated/queue.py),
the load that was found, and how the measured quantiles lie beside the theory's at each load.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.capacity.capacity import Asked, find_capacity, verdict  # noqa: E402
from bench.capacity.own_limit import cheap_agent  # noqa: E402
from bench.capacity.slo import Slo  # noqa: E402
from bench.fixtures.library import select  # noqa: E402
from bench.simulated.queue import largest_rate, waits_s  # noqa: E402
from bench.simulated.queue_agent import HANG_S  # noqa: E402
from pipelines.remote.preset import remote_specs  # noqa: E402

FIXTURES = "cmd_dance,cmd_go_kitchen,cmd_turn_left,cmd_stop"
"""One turn each, so that turns come at random as calls do."""


def main() -> None:
    """Reads the command line, finds the load, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--service-ms", type=float, default=1000.0)
    parser.add_argument("--wait-ms", type=float, default=1000.0, help="limit of the wait's p95")
    parser.add_argument("--start", type=float, default=16.0)
    parser.add_argument("--minutes", type=float, default=40.0)
    chosen = parser.parse_args()
    service_s, wait_s = chosen.service_ms / 1000, chosen.wait_ms / 1000
    limit_ms = 1000 * (HANG_S + service_s + wait_s)
    with cheap_agent(chosen.service_ms, chosen.servers) as url, tempfile.TemporaryDirectory() as at:
        (spec,) = remote_specs([url], ["pcm-websocket"], [])
        stages = {"agent": replace(spec.stages["agent"], greeting_s=0.0)}
        spec = replace(spec, name="queue", stages=stages, weights="scripted", kind="scripted")
        asked = Asked(
            spec,
            tuple(select(FIXTURES)),
            (Slo.parse(f"voice_to_voice.p95<={limit_ms:.0f}ms"),),
            first=chosen.start,
            limit=2 * chosen.start,
            most_minutes=chosen.minutes,
        )
        found = find_capacity(asked, Path(at) / "run", lambda text: print(text, flush=True))

    mean_s = found.kept["mean_length_s"]

    def holds(waits: np.ndarray) -> bool:
        return bool(np.quantile(waits, 0.95) <= wait_s)

    rate = largest_rate(service_s, chosen.servers, holds)
    print("\n".join(verdict(found)))
    print(f"theory: {rate:.3f} calls/s, times {mean_s:.2f} s a call: N* = {rate * mean_s:.1f}")
    for level in found.kept["levels"]:
        at_rate = level["load"] / found.kept["mean_length_s"]
        told = np.quantile(waits_s(at_rate, service_s, chosen.servers), 0.95)
        (of,) = level["slos"].values()
        print(
            f"load {level['load']:g}: p95 {of['value'] or float('nan'):.0f} ms, bound "
            f"{of['bound'] or float('nan'):.0f}; theory {1000 * (HANG_S + service_s + told):.0f}"
        )


if __name__ == "__main__":
    main()
