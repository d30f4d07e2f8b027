"""What the environment says, and how the processes log."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


class MissingVariable(Exception):
    """A variable that the shop cannot run without is absent or empty."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not set; `kilter env` prints the value for this project")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the services are."""

    database_url: str
    redis_url: str

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Take the settings from the environment or say which variable is missing."""
        return cls(database_url=_required(environment, "DATABASE_URL"), redis_url=_required(environment, "REDIS_URL"))


def _required(environment: Mapping[str, str], name: str) -> str:
    if value := environment.get(name, "").strip():
        return value
    raise MissingVariable(name)


def configure_logging() -> None:
    """Log to stderr, one line per event."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Both repeat what the shop's own lines say better.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
