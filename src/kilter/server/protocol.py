"""HTTP/1.1 as uvicorn speaks it, with the limits that it lacks: how long a request's head may be, and may take (S12).

Uvicorn's own timer runs between requests alone: a connection that says nothing, a head that comes byte by byte, a body
that goes on after its answer, and an answer that nobody reads would be kept for ever.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT: Final = 32 * 1024  # bytes of a request's line and headers, and of what follows a body in chunks
HEAD_SECONDS: Final = 30.0  # for them to arrive, from the beginning of the connection or their first byte
UNREAD_SECONDS: Final = 30.0  # for what was written to be taken
REFUSED: Final = "The head of the request is too large."


class HeadTooLarge(Exception):
    """Uvicorn answers 400 and closes the connection."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_head = _in_body = False
    _is_mixed = False  # whether the piece that just came holds more than bytes of one head, or of one trailer
    _size = 0  # of the head or the trailer so far, but for a mixed piece that it began in
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _left = 0  # bytes that were not taken when that timer began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        # Told of every byte that is not taken: also a connection that is closed waits for those, without an end.
        transport.set_write_buffer_limits(high=0)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not take what was written; it has a time to."""
        super().pause_writing()
        if self._unread is None:
            self._await_reader()

    def resume_writing(self) -> None:
        """The client took all of it."""
        self._taken()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what came; while nothing is being answered, the next head has to be whole in time."""
        answered = self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]
        if self._deadline is None and answered:
            self._wait()
        self._is_mixed = False
        super().data_received(data)
        is_counted = (self._in_head or self._in_body) and not self._is_mixed
        self._size = self._size + len(data) if is_counted else 0
        if self._size > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response(REFUSED)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; those that follow a body are of no use to anybody."""
        if self._in_head:
            super().on_header(name, value)

    def on_chunk_header(self) -> None:
        """A chunk begins, or there are no more."""
        self._is_mixed = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._is_mixed = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The head is whole. Raises HeadTooLarge."""
        self._in_head, self._in_body, self._is_mixed = False, True, True
        self._wait_no_longer()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            raise HeadTooLarge
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._in_body, self._is_mixed = False, True
        super().on_message_complete()

    def _await_reader(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self._judge_reader)

    def _judge_reader(self) -> None:
        """Give up who has taken nothing in that time; a slow line is no fault."""
        if self.transport.get_write_buffer_size() < self._left:
            self._await_reader()
        else:
            self.transport.abort()

    def _taken(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        self.transport.close()
