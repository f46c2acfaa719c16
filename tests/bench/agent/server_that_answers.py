"""A server of raw PCM, as somebody's agent: it answers each caller once, and hangs up.

Usage: python server_that_answers.py PORT. It says its key, and starts a helper in a session of its
own.
"""

import os
import struct
import subprocess
import sys
import time

from websockets.sync.server import ServerConnection, serve

RATE_HZ = 24_000
TONE = struct.pack("<h", 8000) * (RATE_HZ // 5)  # 200 ms


def talk(connection: ServerConnection) -> None:
    """Answers once the caller has spoken for 1.5 s."""
    for _ in range(75):
        connection.recv()
    connection.send(TONE)
    ends_s = time.monotonic() + 0.4
    while time.monotonic() < ends_s:
        connection.recv()


def main() -> None:
    """Serves until it is ended."""
    helper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    print(f"helper {helper.pid}", flush=True)
    print(f"my key is {os.environ.get('MY_VOICE')}", flush=True)
    with serve(talk, "127.0.0.1", int(sys.argv[1])) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
