"""What a server finds when it is asked in its own pod, for `kilter platform status`."""

import asyncio
import http.client
from typing import Final

from kilter.server import policies
from kilter.server.settings import Settings

PATIENCE: Final = 15.0  # seconds; a database that is gone without a word is given up before


async def found(settings: Settings) -> dict[str, bool | None]:
    """Return whether network policies are enforced and whether the store answers; None is what cannot be told."""
    place = settings.policy_probe
    answers = asyncio.to_thread(store_answers, settings.port)
    enforced = policies.tried(place) if place else asyncio.sleep(0, None)
    return dict(zip(("network_policy_enforced", "store_answers"), await asyncio.gather(enforced, answers), strict=True))


def store_answers(port: int) -> bool | None:
    """Ask the server at that port of this pod; None where nobody is there."""
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        server.request("GET", "/readyz")
        return server.getresponse().status == http.client.OK
    except TimeoutError:
        return False
    except (OSError, http.client.HTTPException):
        return None
    finally:
        server.close()
