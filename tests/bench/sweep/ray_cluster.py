"""A Ray cluster of some nodes on this machine, in a process of its own; each can be killed."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

RULER = {"ruler": 1.0}


class Nodes:
    """Its handle."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.address: str = connection.recv()
        """Of the head."""

    def kill(self, name: str) -> None:
        """Kills a node without a word."""
        self._connection.send(name)
        self._connection.recv()


@contextlib.contextmanager
def cluster_of(*names: str) -> Iterator[Nodes]:
    """Within the block a cluster runs; whatever is left of it then is killed.

    Args:
        names: Names of its nodes, the head's first.
    """
    context = mp.get_context("spawn")
    own, theirs = context.Pipe()
    folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it
    process = context.Process(target=_main, args=(theirs, folder, names))
    process.start()
    theirs.close()
    try:
        yield Nodes(own)
    finally:
        process.kill()  # Ray's reaper ends its nodes with it
        process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _main(connection: Connection, folder: str, names: tuple[str, ...]) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DISABLE_IMPORT_WARNING"] = "1"
    os.environ["RAY_TMPDIR"] = folder  # the head's address is written into ray/ in it
    (Path(folder) / "ray").mkdir()
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "resources": RULER, "object_store_memory": 80 * 2**20}
    cluster = Cluster()
    nodes = {
        name: cluster.add_node(
            node_name=name, temp_dir=folder, include_dashboard=False, wait=False, **small
        )
        for name in names
    }
    connection.send(cluster.address)
    with contextlib.suppress(EOFError):
        while True:
            cluster.remove_node(nodes[connection.recv()], allow_graceful=False)
            connection.send("killed")
