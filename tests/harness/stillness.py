"""The rule of `tests/unit`, kept by Python's own audit: no process is started there, and no network is used."""

import sys
from typing import Any

import pytest

PROCESS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system")
NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
REFUSED = frozenset((*PROCESS, *NETWORK))


class Refused(AssertionError):
    """A unit test did what only tests/integration may do; an error like others, for which code that waits is made."""


class Stillness:
    """Refuses it where it is done, in a thread too, and keeps word of it for the end of the test.

    The refusal may be caught by what is tested, or end a thread that nobody waits for.
    """

    def __init__(self) -> None:
        self.watching, self.broken = False, list[str]()
        self.allowed = frozenset[tuple[str, str]]()  # hosts with their ports

    def tell(self) -> None:
        """Fail for what was done since this was asked last."""
        broken, self.broken = self.broken, []
        if broken:
            pytest.fail("\n".join(broken), pytrace=False)

    def hear(self, event: str, words: tuple[Any, ...]) -> None:
        """Take part in the audit of this process."""
        if event in REFUSED and self.watching and not self._is_allowed(event, words):
            told = ", ".join(repr(word) for word in words[:2])
            self.broken.append(
                f"{event}({told}): a unit test starts no process and uses no network; move it to tests/integration"
            )
            raise Refused(self.broken[-1])

    def _is_allowed(self, event: str, words: tuple[Any, ...]) -> bool:
        place = words[:2] if event == "socket.getaddrinfo" else words[1] if event == "socket.connect" else ()
        return isinstance(place, tuple) and tuple(str(word) for word in place[:2]) in self.allowed


STILLNESS = Stillness()
sys.addaudithook(STILLNESS.hear)
