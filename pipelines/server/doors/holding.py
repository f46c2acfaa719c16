"""`hold`: one conversation over an open WebSocket, from its seat to the close frame."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from pipelines.errors import LabError
from pipelines.server.access.tokens import AccessError
from pipelines.server.doors.door import (
    CODES,
    INTERNAL,
    NO_TOKEN,
    NORMAL,
    DoorError,
    House,
    admit,
    converse,
    deny,
    end,
    relay,
    subject,
    token_of,
)
from pipelines.server.service.service import RefusedError
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import Event

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

SLACK_S = 0.02
"""Pause beyond a chunk's own length after which the agent's audio has paused, s."""
LONGEST_REASON = 120
"""Bytes of a close frame's reason; 123 are the most."""


class Talk(Protocol):
    """Both directions of a conversation, in a door's protocol."""

    async def listen(self) -> None:
        """Takes the client's messages until it is gone.

        Raises:
            DoorError: it breaks the door's rules.
        """

    async def say(self, event: Event) -> None:
        """Sends what an event of the session means."""


class Tail:
    """Brings out the end of the agent's audio, once no chunk follows in time.

    The agent's audio comes in real time, a little ahead. Where the next chunk is not there when it
    should be, what a filter or a packet still holds is the reply's end, and must not wait.

    Args:
        flush: Sends it.
    """

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Future[None] | None = None

    def spoke(self, seconds: float) -> None:
        """A chunk of this length went out."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds + SLACK_S, self._due)

    def cancel(self) -> None:
        """Nothing is to come out: the reply was interrupted, or the conversation is over."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._task = asyncio.ensure_future(self._flush())


async def admitted(socket: WebSocket, house: House, token: str = "") -> str | None:
    """Whose token a client has; None: it was refused before the WebSocket opened.

    Args:
        socket: Not accepted yet.
        house: Knows the tokens.
        token: One that came another way than in the header.
    """
    try:
        return subject(admit(house, token_of(socket.headers.get("authorization")) or token))
    except AccessError as error:
        await deny(socket, str(error))
        return None


async def hold(
    socket: WebSocket,
    house: House,
    preset: str | None,
    door: str,
    talk_of: Callable[[Session], Talk],
    tell: Callable[[str], Awaitable[None]],
    user: str | None = "",
) -> None:
    """Holds one conversation, and closes the socket.

    Args:
        socket: Accepted.
        house: The service's.
        preset: What the client asks for; empty: the default.
        door: The door's name.
        talk_of: Makes both directions of a started session.
        tell: Tells the client a sentence in the door's protocol: why it ends.
        user: See `VoiceService.conversation`.
    """
    code, why = NORMAL, ""
    try:
        async with house.service.conversation(preset, door, user) as session:
            talk = talk_of(session)
            name = session.capabilities.name
            broken = await converse(
                session, talk.listen(), relay(house, session, talk.say, name, door)
            )
        if broken is not None:
            code, why = broken.code, str(broken)
    except RefusedError as refused:
        code, why = CODES[refused.why], str(refused)
    except AccessError as error:
        code, why = NO_TOKEN, str(error)
    except DoorError as error:
        code, why = error.code, str(error)
    except LabError as error:
        code, why = INTERNAL, str(error)
    await end(_close(socket, code, why, tell))


async def _close(
    socket: WebSocket, code: int, why: str, tell: Callable[[str], Awaitable[None]]
) -> None:
    if why:
        await tell(why)
    await socket.close(code, short(why))


def short(why: str) -> str:
    """A sentence as a close frame's reason."""
    return why.encode()[:LONGEST_REASON].decode("utf-8", "ignore")
