"""The schema that editors get."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from kilter.project.load import validate
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


@pytest.mark.parametrize("key", json_schema()["$defs"]["ProjectFile"]["properties"])
def test_the_schema_lets_a_key_be_left_empty_as_kilter_does(key: str) -> None:
    assert validate(f"{key}:".encode(), "kilter.yaml", "shop") == validate(b"x-none: 1", "kilter.yaml", "shop")
    jsonschema_rs.validate(json_schema(), {key: None})
