"""How values become text: YAML that every parser reads alike, and strings of a Tiltfile."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from kilter.errors import BadInput

HEADER = "# Rendered by kilter from kilter.yaml. Edits are overwritten; change kilter.yaml instead.\n"

# A plain scalar of these letters is text to every YAML parser, save for the words below. PyYAML alone would leave
# `1e3` plain, which Kubernetes' parser reads as a number.
_PLAIN = re.compile(r"[A-Za-z/][-A-Za-z0-9_./ ]*(?<! )\Z")
# YAML 1.1 folds these line breaks into plain ones inside a block.
_OTHER_BREAKS = frozenset("\x85\u2028\u2029")
_DEPTH_LIMIT = 1_000  # levels; of some ten thousand libyaml, which composes recursively, ends the process
_NESTING = ("[", "{", "- ", "? ")  # what a level more may be begun with within a line
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes whatever a parser could take for something else."""

    def ignore_aliases(self, data: object) -> bool:
        """Write shared values out: an alias saves nothing and reads badly."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if _PLAIN.match(value) and value.lower() not in _WORDS else '"'
    block = "\n" in value and _OTHER_BREAKS.isdisjoint(value)
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if block else style)


_Dumper.add_representer(str, _text)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's, many times faster
    """Reads dates as the text they are written as; Kubernetes has no other dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def dump(value: object, header: str = HEADER) -> str:
    """Write one YAML document; maps keep their order, so that the same input gives the same bytes.

    Raises BadInput for a path that is not UTF-8.
    """
    return header + _document(value)


def dump_all(documents: Iterable[Mapping[str, Any]], header: str = HEADER) -> str:
    """Write several YAML documents into one text."""
    return header + "---\n".join(_document(document) for document in documents)


def load_all(text: str) -> list[dict[str, Any]]:
    """Read all maps of a YAML text, empty documents left out.

    Raises yaml.YAMLError, also for a text that is no map or is nested more than a thousand levels deep.
    """
    _check_depth(text)
    documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    if not all(isinstance(document, dict) for document in documents):
        raise yaml.YAMLError("a document is no map")
    return documents


def _check_depth(text: str) -> None:
    if sum(map(text.count, _NESTING)) <= _DEPTH_LIMIT:  # in lines of their own, levels cost their square in spaces
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_LIMIT:
            raise yaml.YAMLError(f"it is nested more than {_DEPTH_LIMIT:,} levels deep")


def starlark(value: str | Iterable[str]) -> str:
    """Write a text, or a list of texts, as a Starlark expression; nothing in it can end the string early.

    Raises BadInput for a path that is not UTF-8.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _no_text(error) from None
        return json.dumps(value, ensure_ascii=False)
    return "[" + ", ".join(starlark(each) for each in value) + "]"


def _document(value: object) -> str:
    try:
        return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    except UnicodeEncodeError as error:
        raise _no_text(error) from None


def _no_text(error: UnicodeEncodeError) -> BadInput:
    """Build the error of a path whose bytes are no text; nothing else comes here that Python has not decoded."""
    path = error.object.encode(errors="backslashreplace").decode()
    return BadInput(
        f"{path} is not written in UTF-8",
        why="the files that are rendered for kind and Tilt could not name it",
        hint="rename the folder or file",
    )
