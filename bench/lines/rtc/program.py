"""The program of the process that speaks WebRTC: it makes the calls that a control socket brings.

``python -m bench.lines.rtc.program FD``: for every byte that comes on the socket FD, with the
descriptor of another socket, one call is made. It ends when FD closes.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys

from bench.lines.rtc.call import make_call


async def serve(control: socket.socket) -> None:
    """Makes calls until the control socket closes."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    calls: set[asyncio.Task[None]] = set()

    def take() -> None:
        told, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not told:
            loop.remove_reader(control)
            over.set()
            return
        task = loop.create_task(make_call(socket.socket(fileno=fds[0])))
        calls.add(task)
        task.add_done_callback(calls.discard)

    control.setblocking(False)
    loop.add_reader(control, take)
    control.send(b"r")
    await over.wait()
    for task in calls:
        task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def main() -> None:
    """Serves the control socket whose descriptor is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides
    gc.collect()
    gc.freeze()  # what was imported is not looked through again, in mid-call
    with socket.socket(fileno=int(sys.argv[1])) as control:
        asyncio.run(serve(control))


if __name__ == "__main__":
    main()
