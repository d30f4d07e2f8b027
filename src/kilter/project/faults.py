"""What is wrong with a `kilter.yaml`, and the error that lists it."""

import unicodedata
from collections.abc import Iterable

from kilter.errors import BadInput
from kilter.values import Value
from kilter.words import counted

FAULT_LIMIT = 50  # more than this helps nobody
HINT = "correct what is named; docs/reference/kilter-yaml.md has every key"


class Fault(Value, frozen=True, order=True):
    """One thing that is wrong: where (line and column count from 1), at which dotted path, and what."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.path}: {self.message}" if self.path else f"{place} {self.message}"


class InvalidProject(BadInput):
    """`kilter.yaml` is not valid; `faults` holds everything that is wrong with it, in the order of the file."""

    def __init__(self, file: str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        count = len(self.faults)
        shown = [str(fault) for fault in self.faults[:FAULT_LIMIT]]
        if count > FAULT_LIMIT:
            shown.append(f"… and {count - FAULT_LIMIT} more")
        super().__init__(f"{file} has {counted(count, 'fault')}", hint=HINT, details=shown)


def visible(text: str, limit: int = 60) -> str:
    """Return `text` for a message: cut to `limit`, everything that is no plain visible letter as its code point."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(_visible_character(character) for character in cut)


def _visible_character(character: str) -> str:
    if character == "…" or " " <= character <= "~":
        return character
    code = f"U+{ord(character):04X}"
    known = unicodedata.name(character, "")
    return f"<{code} {known}>" if known else f"<{code}>"
