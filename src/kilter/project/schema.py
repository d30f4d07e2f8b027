"""The JSON schema of `kilter.yaml`, for editors and for listing faults."""

from typing import Any

import msgspec

from kilter.project.model import ProjectFile

ID = "https://kilter.dev/schema/kilter.v1.json"


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of the file as people may write it, short forms included.

    Top-level keys that begin with `x-` are free, as a place for anchors.
    """
    made = msgspec.json.schema(ProjectFile)
    root = made["$defs"][ProjectFile.__name__]
    root["patternProperties"] = {"^x-": {}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "kilter.yaml",
        "description": ProjectFile.__doc__,
        **made,
    }
