"""The schema that editors get."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from kilter.project.schema import ID, json_schema


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, definition in schema["$defs"].items():
        for key, field in definition.get("properties", {}).items():
            yield f"{name}.{key}", field


def test_every_field_is_described() -> None:
    assert [name for name, field in properties(json_schema()) if not field.get("description")] == []


def test_the_schema_names_itself_and_accepts_a_valid_file() -> None:
    schema = json_schema()
    assert (schema["$id"], schema["title"]) == (ID, "kilter.yaml")
    assert schema["description"]
    file = Path(__file__).parent / "files" / "valid-complete.yaml"
    jsonschema_rs.validate(schema, yaml.safe_load(file.read_text()))
