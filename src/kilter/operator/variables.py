"""The variables of an operator's environment, read with every fault remembered."""

from collections.abc import Mapping
from pathlib import Path

from kilter import words


class Variables:
    """Reads variables and remembers what is wrong with them; the value of a variable is never repeated."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.faults: list[str] = []

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        return self._environment.get(name, "") or default

    def path(self, name: str) -> Path | None:
        """Return a path, None without one."""
        given = self.text(name, "")
        return Path(given) if given else None

    def content(self, name: str) -> str:
        """Return what a file holds: secrets are given as files, because variables are shown in too many places."""
        place = self.path(name)
        if place is None:
            return ""
        try:
            found = place.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            self.faults.append(f"{name}: {place} cannot be read: {reason}")
            return ""
        if not found:
            self.faults.append(f"{name}: {place} is empty")
        return found

    def flag(self, name: str, *, default: bool) -> bool:
        """Return what is true or false."""
        given = self.text(name, "")
        if given not in ("", "true", "false"):
            self.faults.append(f"{name} must be true or false")
        return given == "true" if given in ("true", "false") else default

    def number(self, name: str, default: int, least: int = 1) -> int:
        """Return a whole number from `least` on."""
        given = self.text(name, "")
        if not given:
            return default
        if not (given.isascii() and given.isdigit() and least <= int(given) <= 65535):
            self.faults.append(f"{name} must be a number between {least} and 65535")
            return default
        return int(given)

    def seconds(self, name: str, default: float) -> float:
        """Return a duration in seconds."""
        given = self.text(name, "")
        try:
            return words.duration(given) if given else default
        except ValueError as error:
            self.faults.append(f"{name}: {error}")
            return default
