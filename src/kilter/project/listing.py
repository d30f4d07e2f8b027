"""All faults of a file against the schema, in plain words. Runs only when the fast validation has failed."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from kilter.project.faults import Fault, visible
from kilter.project.schema import json_schema
from kilter.project.source import Node, Source
from kilter.words import nearest

Path = tuple[str | int, ...]

LARGE = 2.0**40  # numbers of this size still have fractions

_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}


def dotted(path: Iterable[str | int]) -> str:
    """Write a path as people say it: `seed[0].file`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{visible(step)}" if text else visible(step)
    return text


def fault_at(source: Source, path: Path, message: str, *, at_key: bool = False) -> Fault:
    """Build a fault placed at the value of `path`, or at its key when asked for or when the value is empty."""
    key, node = source.root.find(path) if source.root else (None, None)
    place = key if key is not None and (at_key or node is None or not (node.raw or node.end > node.start)) else node
    line, column = (place.line, place.column) if place else (1, 1)
    return Fault(source.label, line, column, dotted(path), message)


def schema_faults(source: Source, data: Any) -> list[tuple[Path, Fault]]:
    """Return every fault of `data` against the schema with the path to blame, which is what `without` removes."""
    # Loaded only for files that have faults: 20 ms that a valid file need not pay.
    import jsonschema_rs

    schema = json_schema()
    validator = jsonschema_rs.validator_for(schema)
    errors = _leaves(validator.iter_errors(_not_whole(data)))
    return [found for error in errors for found in _faults(source, schema, error)]


def _not_whole(data: Any) -> Any:
    """Return data without numbers such as `80.0`: JSON schema takes them for whole ones, and the model does not."""
    if isinstance(data, dict):
        return {key: _not_whole(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_not_whole(item) for item in data]
    return min(max(data, -LARGE), LARGE) + 0.5 if isinstance(data, float) and data.is_integer() else data


def _leaves(errors: Iterable[Any]) -> Iterator[Any]:
    """Replace each `anyOf` by the faults of the one branch that was meant, where that can be told."""
    for error in errors:
        if error.kind.name != "anyOf":
            yield error
            continue
        meant = [branch for branch in error.kind.context if not _is_other_type(branch, error)]
        if meant:
            yield from _leaves(meant[0])
        else:
            yield error


def _is_other_type(branch: list[Any], error: Any) -> bool:
    """Tell whether a branch fails because the value is of another kind altogether."""
    same_place = [leaf for leaf in branch if leaf.instance_path == error.instance_path]
    return any(
        leaf.kind.name == "type" or (leaf.kind.name == "enum" and not isinstance(leaf.instance, str))
        for leaf in same_place
    )


def _faults(source: Source, schema: dict[str, Any], error: Any) -> Iterator[tuple[Path, Fault]]:
    path: Path = tuple(error.instance_path)
    kind = error.kind
    if kind.name == "additionalProperties":
        known = _at(schema, error.schema_path[:-1]).get("properties", {})
        for key in kind.unexpected:
            near = nearest(key, known)
            hint = f" (did you mean '{near}'?)" if near else f"; known here: {', '.join(sorted(known))}"
            fault = fault_at(source, (*path, key), "", at_key=True)
            message = f"unknown key '{visible(key)}'{hint}"
            yield (*path, key), Fault(fault.file, fault.line, fault.column, dotted(path), message)
    elif kind.name == "required":
        message = f"the key '{kind.property}' is missing"
        yield path, fault_at(source, path, message, at_key=True)
    else:
        yield path, fault_at(source, path, _message(source, schema, error))


def _message(source: Source, schema: dict[str, Any], error: Any) -> str:
    kind, path = error.kind, tuple(error.instance_path)
    value = _given(source, path, error.instance)
    if kind.name == "minItems":
        return "the list is empty"
    if kind.name == "enum":
        options = [str(option) for option in kind.options]
        near = nearest(value, options) if isinstance(value, str) else None
        hint = f" (did you mean '{near}'?)" if near else ""
        return f"expected {_either(options)}, got {described(value, _written(source, path))}{hint}"
    if kind.name in ("minimum", "maximum"):
        return f"expected a whole number {_bounds(schema, error)}, got {visible(str(value))}"
    return _wrong_type(value, _written(source, path), error)


def _bounds(schema: dict[str, Any], error: Any) -> str:
    place = _at(schema, error.schema_path[:-1])
    low, high = place.get("minimum"), place.get("maximum")
    return f"from {low} to {high}" if high is not None else f"of at least {low}"


def _wrong_type(value: Any, written: str, error: Any) -> str:
    wanted = list(dict.fromkeys(_wanted(error)))
    named = [word for word in wanted if word != "nothing"] or wanted
    message = f"expected {_either(named)}, got {described(value, written)}"
    if "text" in named and isinstance(value, (int, float)):
        return f'{message}; write it in quotes: "{visible(written)}"'
    if named == ["a list"] and isinstance(value, str):
        words = ", ".join(value.split()) or "…"
        return f"{message}; write it as a list: [{visible(words)}]"
    return message


def _wanted(error: Any) -> Iterator[str]:
    if error.kind.name == "type":
        yield from (_KINDS.get(name, name) for name in error.kind.types)
    elif error.kind.name == "enum":
        yield from (str(option) for option in error.kind.options)
    elif error.kind.name == "anyOf":
        for branch in error.kind.context:
            for leaf in branch:
                if leaf.instance_path == error.instance_path:
                    yield from _wanted(leaf)


def described(value: Any, written: str = "") -> str:
    """Say what a value is, with the value as it was read."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        as_read = f" (read as {value})" if written and written != str(value) else ""
        return f"the number {visible(written or str(value))}{as_read}"
    if isinstance(value, str):
        return f"text '{visible(value)}'"
    return "a list" if isinstance(value, list) else "a map"


def _written(source: Source, path: Path) -> str:
    node: Node | None = source.root.find(path)[1] if source.root else None
    return node.raw if node else ""


def _given(source: Source, path: Path, checked: Any) -> Any:
    """Return the value as the file has it; `checked` is what the schema was asked about."""
    node = source.root.find(path)[1] if source.root else None
    return node.value if node is not None and isinstance(checked, float) else checked


def _either(words: list[str]) -> str:
    if len(words) < 3:
        return " or ".join(words)
    return f"{', '.join(words[:-1])}, or {words[-1]}"


def _at(schema: dict[str, Any], path: Iterable[str | int]) -> dict[str, Any]:
    place: Any = schema
    for step in path:
        place = place[step]
    return dict(place)


def without(data: Any, paths: Iterable[Path]) -> Any:
    """Return a copy of `data` that lacks what stands at `paths`, so that the rest can be checked further."""
    pruned = copy.deepcopy(data)
    # From the end: taking an item out of a list moves the later ones.
    for path in sorted(paths, key=lambda path: [(isinstance(step, str), step) for step in path], reverse=True):
        place = pruned
        try:
            for step in path[:-1]:
                place = place[step]
            if path:
                del place[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return pruned
