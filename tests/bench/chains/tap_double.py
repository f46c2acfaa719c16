"""A passive tap that writes down which frames it saw of a preset, in a folder."""

import contextlib
from pathlib import Path

from pipecat.observers.base_observer import BaseObserver
from pipecat.transports.base_output import BaseOutputTransport


class Tap(BaseObserver):
    def __init__(self):
        super().__init__()
        self.seen = {}

    async def on_push_frame(self, data):
        at = "transport:" if isinstance(data.source, BaseOutputTransport) else ""
        self.seen[at + type(data.frame).__name__] = None


@contextlib.asynccontextmanager
async def tap(host):
    found = Tap()
    yield found
    write(Path(host.extra["seen"]) / f"{host.spec.name}.seen", found)


def write(path, found):
    path.write_text(" ".join(found.seen))
