"""Time as the store keeps it: whole microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def now() -> int:
    """Return the present."""
    return from_datetime(datetime.now(UTC))


def from_datetime(moment: datetime) -> int:
    """Return a moment as the store keeps it."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def to_datetime(moment: int) -> datetime:
    """Return a stored moment as the wire writes it."""
    return EPOCH + timedelta(microseconds=moment)


def maybe(moment: int | None) -> datetime | None:
    """Return a stored moment, or None for none."""
    return None if moment is None else to_datetime(moment)
