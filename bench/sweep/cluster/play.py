"""A sweep on a Ray cluster, as the command sees it: tells the driver, gathers what arrives."""

from __future__ import annotations

import multiprocessing as mp
import re
import socket
from collections.abc import Callable
from importlib.util import find_spec

from bench.runner.progress import Progress, Watcher
from bench.runner.run import RunStoppedError
from bench.sweep.cluster import driver
from bench.sweep.cluster.driver import Job, Told
from bench.sweep.cluster.parcel import PLAYER, contents_of, order_of, version
from bench.sweep.cluster.queue import TRIES
from bench.sweep.folder import SHARDS, SweepFolder
from bench.sweep.gather import gather
from bench.sweep.grid import Grid, Shard
from bench.sweep.local import compute, gather_whole, stopped
from pipelines.errors import LabError

ADDRESS = re.compile(r"auto|[A-Za-z0-9_.:\[\]-]+:[0-9]{1,5}")
"""``auto``, or a host and a port."""
REACH_S = 5.0
"""Longest wait for a cluster's head to take a connection, s: Ray itself tries for ever."""
END_S = 10.0
"""Longest wait for the driver's process to end, s."""


def play_on(
    address: str,
    grid: Grid,
    folder: SweepFolder,
    watch: Watcher,
    *,
    spin: bool = True,
    player: str = PLAYER,
    tell: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Plays what is left of a sweep on a cluster, and computes the metrics of its runs.

    Args:
        address: Of the cluster: ``auto``, or the head's host and port.
        grid: The plan, as `SweepFolder.open` returned it.
        folder: The sweep's folder, locked.
        watch: Takes the progress.
        spin: False to let the cores doze.
        player: ``module:function`` that plays a plan on a machine.
        tell: Takes sentences about machines that were lost, or can't play.

    Raises:
        LabError: no cluster answers, or it was lost, or no machine could play what is left; what
            was gathered is kept.
    """
    require_ray()
    if not ADDRESS.fullmatch(address):
        raise LabError(f"--ray {address}: 'auto', or the host and port of a cluster's head.")
    left = gather_whole(grid, folder)
    try:
        if left:
            _require_head(address)
            plans = [cell.plan for cell in {s.cell.name: s.cell for s in left}.values()]
            said = version()
            orders = tuple(order_of(s, said, spin=spin, player=player) for s in left)
            job = Job(address, orders, contents_of(plans), folder.path / SHARDS)
            _Command(grid, folder, left, watch, tell).follow(job)
    except KeyboardInterrupt:
        raise RunStoppedError(stopped(grid, folder)) from None
    finally:
        compute(folder)


def require_ray() -> None:
    """Refuses where the extra is missing.

    Raises:
        LabError: Ray is not installed.
    """
    if find_spec("ray") is None:
        raise LabError("--ray: the extra 'ray' is not installed: pip install 'duplex-lab[ray]'")


def _require_head(address: str) -> None:
    """Refuses an address at which nobody listens.

    Raises:
        LabError: nobody does.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise LabError(
            f"--ray {address}: no cluster answers there: {why}. Is that its head's host and port? "
            "docs/sweeps.md says how one is started."
        ) from None


class _Command:
    """What is known on the command's side."""

    def __init__(
        self,
        grid: Grid,
        folder: SweepFolder,
        left: list[Shard],
        watch: Watcher,
        tell: Callable[[str], None],
    ) -> None:
        self._grid = grid
        self._folder = folder
        self._shards = {shard.name: shard for shard in left}
        self._watch = watch
        self._say = tell
        self._total = sum(len(shard.trial_ids) for shard in grid.shards)
        self._done = self._total - sum(len(shard.trial_ids) for shard in left)

    def follow(self, job: Job) -> None:
        """Runs the driver, and gathers what it says was played."""
        context = mp.get_context("spawn")
        connection, theirs = context.Pipe()
        process = context.Process(
            target=driver.main, args=(theirs, job), name="duplex-lab sweep driver"
        )
        self._watch(Progress(self._done, self._total, self._left_s(job), f"joining {job.address}"))
        process.start()
        theirs.close()
        refused: list[str] = []
        try:
            while True:
                told: Told = connection.recv()
                if told.what == "over":
                    break
                self._take(told, job, refused)
        except EOFError:
            raise LabError(
                f"--ray {job.address}: the cluster is gone. {stopped(self._grid, self._folder)}"
            ) from None
        finally:
            connection.close()
            process.join(END_S)
            if process.is_alive():
                process.kill()
                process.join()
        left = self._folder.left(self._grid)
        if left:
            raise LabError(
                f"{len(left)} shards were given up, for {TRIES} machines were lost under each: "
                f"{', '.join(shard.name for shard in left)}. The same command tries again."
            )

    @staticmethod
    def _left_s(job: Job) -> float:
        return sum(order.seconds for order in job.orders)

    def _take(self, told: Told, job: Job, refused: list[str]) -> None:
        where = f" on {told.machine}" if told.machine else ""
        if told.what == "no_cluster":
            raise LabError(
                f"--ray {job.address}: no cluster answers there: {told.text.rstrip('.')}. Has it a "
                "token (RAY_AUTH_MODE=token)? docs/sweeps.md says how both are started."
            )
        if told.what == "no_ruler":
            why = "; ".join(refused) or (
                f"no node of the cluster offers the resource {driver.RULER!r}: start nodes with "
                f"--resources='{{\"{driver.RULER}\": 1}}'"
            )
            raise LabError(f"--ray {job.address}: {why}. {stopped(self._grid, self._folder)}")
        if told.what == "played":
            shard = self._shards[told.shard]
            gather(self._folder, shard)
            self._done += len(shard.trial_ids)
        elif told.what == "lost":
            self._say(f"{told.machine} was lost; {told.shard} is played again.")
        elif told.what == "aside":
            refused.append(told.text)
            self._say(f"{told.text}; it gets no more shards.")
        left_s = told.left_s / max(1, len(told.machines))
        text = f"{told.what.replace('_', ' ')} {told.shard}{where}"
        self._watch(Progress(self._done, self._total, left_s, text))
