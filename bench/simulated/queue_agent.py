"""An agent of known capacity: so many answers are made at once, each in the same time, in turn.

``python -m bench.simulated.queue_agent --service-ms 800 --servers 4`` prints its address. Callers
that come at random make it an M/D/c queue, whose waiting times are known (`bench.simulated.queue`).
It takes and gives raw PCM over a WebSocket (the line ``pcm-websocket``), 16 and 24 kHz.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass

import numpy as np

IN_RATE_HZ, OUT_RATE_HZ = 16_000, 24_000
LOUD = 500
"""|sample| from which a chunk is speech: fixtures are silent elsewhere."""
HANG_S = 0.5
"""Silence after which the user has finished, s."""
ANSWER_S = 1.0
CHUNK_S = 0.02


@dataclass(slots=True)
class Agent:
    """All conversations of one server.

    Args:
        service_s: Time that an answer takes.
        servers: Answers that are made at once.
    """

    service_s: float
    servers: asyncio.Semaphore

    async def converse(self, connection: object) -> None:
        """One conversation: an answer to each turn, when it is its turn."""
        from websockets.asyncio.server import ServerConnection
        from websockets.exceptions import ConnectionClosed

        assert isinstance(connection, ServerConnection)
        due: asyncio.TimerHandle | None = None
        answers: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()

        def finished() -> None:
            task = loop.create_task(self._answer(connection))
            answers.add(task)
            task.add_done_callback(answers.discard)

        try:
            async for message in connection:
                if isinstance(message, str):
                    continue
                loudest = int(np.abs(np.frombuffer(message, np.int16)).max(initial=0))
                if loudest >= LOUD:
                    if due is not None:
                        due.cancel()
                    due = loop.call_later(HANG_S, finished)
        except ConnectionClosed:
            pass
        finally:
            if due is not None:
                due.cancel()
            for task in answers:
                task.cancel()

    async def _answer(self, connection: object) -> None:
        async with self.servers:
            await asyncio.sleep(self.service_s)
        t = np.arange(int(ANSWER_S * OUT_RATE_HZ)) / OUT_RATE_HZ
        tone = np.rint(8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        size = int(CHUNK_S * OUT_RATE_HZ)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number, start in enumerate(range(0, len(tone), size)):
            await asyncio.sleep(max(0.0, began_s + number * CHUNK_S - loop.time()))
            await connection.send(tone[start : start + size].tobytes())  # type: ignore[attr-defined]


async def serve(service_s: float, servers: int, port: int) -> None:
    """Serves until it is ended; prints its address first."""
    from websockets.asyncio.server import serve as websocket_server

    agent = Agent(service_s, asyncio.Semaphore(servers))
    async with websocket_server(agent.converse, "127.0.0.1", port, compression=None) as server:
        bound = next(iter(server.sockets)).getsockname()[1]
        print(f"ws://127.0.0.1:{bound}/talk", flush=True)
        await server.serve_forever()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--service-ms", type=float, default=800.0)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--port", type=int, default=0)
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.service_ms / 1000, chosen.servers, chosen.port))


if __name__ == "__main__":
    main()
