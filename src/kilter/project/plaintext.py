"""Secrets that seem to stand in `kilter.yaml` itself (Y14): found by the variable's name or the form of its value."""

import re
from collections.abc import Iterator

import msgspec

from kilter.project.faults import Fault
from kilter.project.listing import Path, fault_at
from kilter.project.model import Config
from kilter.project.source import Source

ADVICE = "this looks like a secret, and everyone who gets the file can read it; keep real ones out of kilter.yaml"
LOOKED_AT = 4096  # characters of a value

_NAME = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|(^|_)PASS|_PWD|SECRET_KEY_BASE"
    r"|(ACCESS|SECRET|PRIVATE|SIGNING|ENCRYPTION)_?KEY|CREDENTIALS?)\Z",
    re.IGNORECASE,
)
# What a variable of such a name holds when it only says where the secret is, or that there is none.
_HARMLESS = re.compile(r"\s*\Z|(?i:true|false|none|null)\Z|\$[{(]|\{\{|/[\w./-]+\Z|[a-z][a-z0-9+.-]*://[^@\s]*\Z")
_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|://[^/\s:@]*:[^/\s@]+@"
    r"|(?:gh[oprsu]_|github_pat_|glpat-|[rs]k_live_|xox[abprs]-)[\w-]{10}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{35}"
    r"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\."
)


def plaintext(config: Config, source: Source) -> list[Fault]:
    """Return a warning for each variable under an `env:` that seems to hold a secret, in the order of the file.

    None shows the value.
    """
    found = (path for path, value in _variables(config, ()) if _is_secret(str(path[-1]), value))
    return sorted(fault_at(source, path, ADVICE) for path in found)


def _is_secret(name: str, value: str) -> bool:
    value = value[:LOOKED_AT]
    return bool(_VALUE.search(value) or (_NAME.search(name) and not _HARMLESS.match(value)))


def _variables(section: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every variable of every `env:` with its value; what is withheld (null) has none."""
    if isinstance(section, dict):
        for key, inner in section.items():
            yield from _variables(inner, (*path, key))
    if not isinstance(section, msgspec.Struct):
        return
    for field, key in zip(section.__struct_fields__, section.__struct_encode_fields__, strict=True):
        content = getattr(section, field)
        if field == "env":
            yield from (((*path, key, name), value) for name, value in content.items() if value is not None)
        else:
            yield from _variables(content, (*path, key))
