"""Whether the cluster enforces network policies (DP-Q57), as connections tell: the operator answers alike on two ports,
of which one is opened to the server by a policy, and the other to nobody.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass
from typing import Final

log = logging.getLogger("kilter.server")

PATIENCE: Final = 2.0  # seconds for a connection, and for an answer; what was dropped is sent again after one
EVERY: Final = 3600.0  # seconds, once they are known to be enforced
SOON: Final = 10.0  # seconds; the operator may start later, and the policies of its pod take effect later still
REQUEST: Final = b"GET /healthz HTTP/1.0\r\n\r\n"


@dataclass(frozen=True)
class Doors:
    """Where both ports are: the one that the server is let in by, and the one that nobody is."""

    host: str
    opened: int
    shut: int


def doors(text: str) -> Doors:
    """Read `<host>:<opened>,<shut>`. Raises ValueError."""
    host, _, ports = text.rpartition(":")
    opened, _, shut = ports.partition(",")
    if not (host and opened.isdecimal() and shut.isdecimal()):
        raise ValueError(f"{text!r} is no <host>:<port>,<port>")
    return Doors(host, int(opened), int(shut))


class Policies:
    """What was found last: `enforced` is None while nobody knows."""

    def __init__(self, place: Doors | None = None) -> None:
        self._place = place
        self.enforced: bool | None = None

    async def run(self) -> None:
        """Try now and then, until cancelled."""
        while self._place is not None:
            before, self.enforced = self.enforced, await tried(self._place)
            if self.enforced is False and before is not False:
                log.warning("this cluster enforces no network policies: apps can reach each other")
            await asyncio.sleep(EVERY if self.enforced else SOON)


async def tried(place: Doors) -> bool | None:
    """Tell whether policies are enforced; None when the operator cannot be asked."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.opened, type=socket.SOCK_STREAM)
    except OSError:
        return None
    address = str(found[0][4][0])  # of one pod, so that both ports are of the same
    if not await answers(address, place.opened):
        return None
    answered = await answers(address, place.shut)
    if answered is not False:
        return False if answered else None
    # It may have ended in between; only beside a port that still answers has a policy shut the other.
    return True if await answers(address, place.opened) else None


async def answers(address: str, port: int) -> bool | None:
    """Tell whether the operator answers: False when there is no connection, or it ends without a word.

    None when it answers something else, or not in time: a program that is busy is none that a policy shuts off. A proxy
    in between, as of a mesh, takes the connection that it then ends.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(address, port)
    except OSError:  # where no policy lets it in, it is dropped by most network plugins, and refused by some
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(REQUEST)
            line = await reader.readline()
            return True if b" 200 " in line else None if line else False
    except (TimeoutError, ValueError):
        return None
    except OSError:
        return False
    finally:
        writer.close()
