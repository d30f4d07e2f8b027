"""Asking an app over HTTP until it gives the answer that a benchmark waits for."""

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from bench.process import Failed

POLL = 0.01  # seconds between two tries
TRY = 5.0  # seconds for one try


def get(url: str) -> str:
    """Return the text at an address, over a connection of its own; OSError when it is not a 200."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TRY)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        text = answer.read().decode()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"{url} answered {answer.status}")
    return text


def await_answer(url: str, holds: Callable[[str], bool] = lambda _text: True, limit: float = 120.0) -> None:
    """Ask until the answer holds; Failed after `limit` seconds."""
    end, last = time.monotonic() + limit, "nothing"
    while time.monotonic() < end:
        try:
            last = get(url)
            if holds(last):
                return
        except OSError as error:  # an app that restarts refuses a connection or drops one
            last = str(error)
        time.sleep(POLL)
    raise Failed(f"{url} did not give the awaited answer within {limit:g} s; the last was: {last[:200]}")
