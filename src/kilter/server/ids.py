"""Identifiers: a prefix that says of what, then time and chance, so that their order is the order of making."""

import secrets

from kilter.server import clock

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i, l, o, u


def new(prefix: str, moment: int | None = None) -> str:
    """Make an identifier such as `dep-01jd…`: 10 digits of milliseconds, 16 of randomness (80 bits)."""
    milliseconds = (clock.now() if moment is None else moment) // 1000
    return f"{prefix}-{encoded(milliseconds, 10)}{encoded(secrets.randbits(80), 16)}"


def encoded(number: int, length: int) -> str:
    """Write a number in base 32 with a fixed number of digits."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))
