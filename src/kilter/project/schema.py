"""The JSON schema of `kilter.yaml`, for editors and for listing faults."""

from typing import Any

import msgspec

from kilter.project.model import ProjectFile

ID = "https://kilter.dev/schema/kilter.v1.json"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of the file as people may write it, short forms included.

    Top-level keys that begin with `x-` are free, as a place for anchors; all others may be left empty.
    """
    made = msgspec.json.schema(ProjectFile)
    root = made["$defs"][ProjectFile.__name__]
    root["patternProperties"] = {"^x-": {}}
    root["properties"] = {key: _or_nothing(field) for key, field in root["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "kilter.yaml",
        "description": ProjectFile.__doc__,
        **made,
    }


def _or_nothing(field: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key that may be left empty, too: `services:` with all its lines commented out."""
    alone = {key: part for key, part in field.items() if key not in ("description", "default")}
    options = alone.get("anyOf", [alone])
    if {"type": "null"} in options:
        return field
    told = {key: part for key, part in field.items() if key not in alone}
    return {**told, "anyOf": [*options, {"type": "null"}]}
