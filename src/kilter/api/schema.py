"""JSON schemas of wire types, as others than msgspec read them."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import msgspec


def portable(schema: Any) -> Any:
    r"""Return a copy of a schema whose patterns end with `$`, which outside of Python means what `\Z` means in it.

    And whose descriptions are not indented as in the source, which Python itself sees to from 3.13 on.
    """
    if isinstance(schema, Mapping):
        return {key: _portable(key, value) for key, value in schema.items()}
    return [portable(value) for value in schema] if isinstance(schema, list | tuple) else schema


def _portable(key: str, value: Any) -> Any:
    match key, value:
        case "pattern", str():
            return portable_pattern(value)
        case "description", str():
            return cleandoc(value)
    return portable(value)


def components(types: list[Any], template: str) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return a schema for each type, and the named ones that they refer to by the template."""
    schemas, named = msgspec.json.schema_components(types, ref_template=template)
    return portable(list(schemas)), portable(named)


def portable_pattern(pattern: str) -> str:
    r"""Return a pattern of Python's with `$` for `\Z`."""
    return pattern.removesuffix(r"\Z") + "$" if pattern.endswith(r"\Z") else pattern
