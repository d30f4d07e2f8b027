"""A wish to stop that a signal handler can state safely."""

from types import FrameType


class StopRequest:
    """Set by a signal. Not a `threading.Event`: setting one in a handler may wait for the lock of its own thread."""

    def __init__(self) -> None:
        self._asked = False

    def ask(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Ask for the stop; has the form of a signal handler."""
        self._asked = True

    def is_set(self) -> bool:
        """Tell whether the stop was asked for."""
        return self._asked
