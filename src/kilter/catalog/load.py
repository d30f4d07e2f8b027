"""Where the entries are read from: `services/<name>/` beside this file."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from kilter.catalog.model import Entry
from kilter.errors import NotFound
from kilter.words import nearest

SERVICES = Path(__file__).parent / "services"


@cache
def names() -> tuple[str, ...]:
    """Return the names of all entries, sorted."""
    return tuple(sorted(folder.name for folder in SERVICES.iterdir() if (folder / "service.yaml").is_file()))


@cache
def load(name: str) -> Entry:
    """Return one entry. Raises NotFound, naming the nearest entry and all known ones."""
    import yaml  # start-up: the help of `kilter env` needs no catalog

    if name not in names():
        close = nearest(name, names())
        raise NotFound(
            f"the catalog has no service {name!r}",
            why=f"did you mean {close!r}?" if close else "",
            hint=f"known services: {', '.join(names())}",
        )
    text = (SERVICES / name / "service.yaml").read_text(encoding="utf-8")
    # The parser in C, where PyYAML was built with it: a tenth of the time.
    return msgspec.convert(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), Entry)  # noqa: S506 - safe


def entries() -> dict[str, Entry]:
    """Return all entries by name."""
    return {name: load(name) for name in names()}


def chart(name: str) -> Path:
    """Return the folder of an entry's Helm chart. Raises NotFound."""
    return SERVICES / load(name).name / "chart"


@cache
def values_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of the values that an entry's chart takes. Raises NotFound."""
    found: dict[str, Any] = json.loads((chart(name) / "values.schema.json").read_bytes())
    return found


def readme(name: str) -> str:
    """Return an entry's page for users, as Markdown. Raises NotFound."""
    return (SERVICES / load(name).name / "README.md").read_text(encoding="utf-8")
