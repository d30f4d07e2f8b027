"""What differs between two trees, for `kilter render --diff` and `--check`."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """Names of files that came, changed and went, each sorted."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self.added + self.changed + self.removed))


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> Changes:
    """Compare two trees of relative path to text."""
    return Changes(
        tuple(sorted(set(new) - set(old))),
        tuple(sorted(name for name in set(new) & set(old) if new[name] != old[name])),
        tuple(sorted(set(old) - set(new))),
    )


def unified(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the changes as a unified diff over all files; empty when there are none."""
    lines: list[str] = []
    for name in changes(old, new).names:
        before, after = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        lines += difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)
