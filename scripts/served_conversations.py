"""How many conversations with duplex-nano one server holds in real time on this machine.

    python scripts/served_conversations.py                      # 1, 2, 4, 6 and 8 at a time, 30 s
    python scripts/served_conversations.py 4 --seconds 130      # with the drift

Each client speaks a fixture again and again, in real time; what is measured stands in
`bench.probes.served`. A number of conversations is kept up with where 1 % of the frames miss their
deadline at most, and no latency grows by more than 1 ms a second (a drift needs 120 s).
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np

from bench.fixtures.library import read_pcm, select
from bench.probes.served import RATE_HZ, Served, conversations, served
from pipelines.audio.resample import resample

PAUSE_S = 4
"""Silence behind the fixture, in which the model answers, s."""
PREROLLS_MS = (0, 80)


def main() -> None:
    """Prints a line for each number of conversations."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", nargs="*", type=int, default=[1, 2, 4, 6, 8])
    parser.add_argument("--preset", default="duplex-nano", help="a full-duplex preset at 24 kHz")
    parser.add_argument("--fixture", default="cmd_toy_car")
    parser.add_argument("--seconds", type=float, default=30.0)
    args = parser.parse_args()
    (fixture,) = select(args.fixture)
    turn = fixture.turns[0]
    pcm = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
    pcm = np.concatenate((pcm, np.zeros(PAUSE_S * RATE_HZ, np.int16)))
    seats = max(args.counts)
    print(
        f"{args.preset}, {args.fixture}, {args.seconds:g} s: conversations | frames | latency p50 "
        f"p99 max ms | missed with B = {' and '.join(map(str, PREROLLS_MS))} ms, % | drift ms/s | "
        "CPU of the server and of the models, % of a core | heard words in | kept up"
    )
    with served(args.preset, "--seats", str(seats)) as (url, server):
        for count in args.counts:
            found = asyncio.run(conversations(url, server, pcm, count, args.seconds))
            print(_told(count, found), flush=True)


def _told(count: int, found: Served) -> str:
    drift = "–" if found.drift is None else f"{found.drift:+.2f}"
    missed = " ".join(f"{found.miss_percent(b):.2f}" for b in PREROLLS_MS)
    spoke = sum(bool(talk.words.strip()) for talk in found.talks)
    latency = " ".join(f"{found.latency(p):.1f}" for p in (0.5, 0.99, 1.0))
    kept = "yes" if found.keeps_up else f"no{found.fault and f' ({found.fault})'}"
    return (
        f"{count} | {found.frames} | {latency} | {missed} | {drift} | {found.server_percent:.0f} "
        f"{found.models_percent:.0f} | {spoke} | {kept}"
    )


if __name__ == "__main__":
    main()
