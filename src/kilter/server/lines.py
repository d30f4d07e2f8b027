"""Lines of a stream of bytes, however long somebody makes them."""

import sys
from collections.abc import AsyncIterator


async def split(pieces: AsyncIterator[bytes], most: int = sys.maxsize) -> AsyncIterator[tuple[bytes, int]]:
    """Yield of each line the first bytes, at most so many, and how many it has. A line feed alone ends one."""
    held, length = bytearray(), 0
    async for piece in pieces:
        for number, part in enumerate(piece.split(b"\n")):
            if number:
                yield bytes(held), length
                held, length = bytearray(), 0
            held += part[: most - len(held)]
            length += len(part)
    if length:
        yield bytes(held), length
