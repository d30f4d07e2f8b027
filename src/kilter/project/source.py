"""Reading YAML strictly: text in, a tree of nodes with their places out. Nothing here knows what the keys mean.

kilter.yaml is read by people's editors and by tools of YAML 1.1 and 1.2. Whatever the two versions read differently is
refused, as are tags, duplicate keys and several documents. Anchors, aliases and merge keys work, within limits.
Byte order marks and CRLF line ends are accepted and kept by edits.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kilter.project.faults import Fault, InvalidProject, visible
from kilter.project.scalars import scalar_value

MAX_BYTES = 1_000_000
MAX_NODES = 20_000  # aliases counted as what they expand to
MAX_DEPTH = 64

# YAML allows no other control characters; the last three are line breaks to YAML 1.1 only.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
# Characters that nobody sees: a reader would take the text for another one.
_HIDDEN = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164]")

_NAMING = ("while scanning an alias", "while scanning an anchor")  # whoever writes `* * * * *` means neither


class Node(msgspec.Struct):
    """A scalar (`pairs` and `items` are None), a map or a list.

    `line` and `column` count from 1; `start` and `end` are indexes into the text that was read, byte order mark left
    out. `value` is the scalar as plain data, `raw` as it is written; `size` counts nodes, aliases expanded.
    """

    line: int
    column: int
    start: int
    end: int
    flow: bool = False
    value: str | int | float | bool | None = None
    raw: str = ""
    plain: bool = False
    pairs: "list[tuple[Node, Node]] | None" = None
    items: "list[Node] | None" = None
    size: int = 1
    is_alias: bool = False
    named: "dict[Any, tuple[Node | None, Node]] | None" = None  # made at the first look for a name

    def data(self) -> Any:
        """Return the node as plain dicts, lists and scalars; merge keys are applied."""
        if self.items is not None:
            return [item.data() for item in self.items]
        if self.pairs is None:
            return self.value
        return {str(key.value): value.data() for key, value in self.entries()}

    def entries(self) -> "Iterator[tuple[Node, Node]]":
        """Yield keys and values of a map, merged ones first, so that the map's own come last and win."""
        pairs = self.pairs or []
        for key, value in pairs:
            if is_merge(key):
                for source in reversed(value.items) if value.items is not None else (value,):
                    yield from source.entries()
        yield from ((key, value) for key, value in pairs if not is_merge(key))

    def find(self, path: "tuple[str | int, ...]") -> "tuple[Node | None, Node]":
        """Return the key node (None at the root and in lists) and the value node at `path`, or the closest above."""
        key: Node | None = None
        node = self
        for step in path:
            found: tuple[Node | None, Node] | None = None
            if node.items is not None and isinstance(step, int) and step < len(node.items):
                found = (None, node.items[step])
            elif node.items is not None or node.pairs is not None:
                found = node.by_name().get(step)
            if found is None:
                break
            key, node = found
        return key, node

    def by_name(self) -> "dict[Any, tuple[Node | None, Node]]":
        """Return keys and values by name, those of a list of names too, which is the short form of a map."""
        if self.named is None:
            found: dict[Any, tuple[Node | None, Node]] = {pair[0].value: pair for pair in self.entries()}
            found |= {item.value: (None, item) for item in reversed(self.items or [])}
            self.named = found
        return self.named


def is_merge(key: Node) -> bool:
    """Tell whether a key is the merge key `<<`."""
    return key.plain and key.raw == "<<"


class Source(msgspec.Struct):
    """A file that was read: its tree (None when it holds nothing) and what is wrong with the writing."""

    label: str
    text: str
    root: Node | None
    faults: list[Fault] = []


def content(file: Path) -> bytes:
    """Return the bytes of a file, of a large one no more than `decode` needs to refuse it; raises OSError."""
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def decode(data: bytes, label: str) -> str:
    """Return the bytes as text without byte order mark; raises InvalidProject for what YAML cannot hold."""
    if len(data) > MAX_BYTES:
        raise _stop(label, 1, 1, f"the file has more than {MAX_BYTES:,} bytes, which are the limit")
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace").removeprefix("\ufeff")
        raise _stop(label, *_place(before), f"the file is no UTF-8 text (byte 0x{data[error.start]:02X})") from None
    if bad := _FORBIDDEN.search(text):
        place = _place(text[: bad.start()])
        raise _stop(label, *place, f"the character {visible(bad[0])} is not allowed; remove it or write an escape")
    return text


def read(text: str, label: str) -> Source:
    """Read text that `decode` returned.

    Raises InvalidProject when it is no YAML or beyond the limits; faults that leave a tree are in the result.
    """
    # Needed on no path that must start fast without a project.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder(text, label)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context in _NAMING:
            mark = error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _stop(label, *place, _explained(str(error.problem or error.context), text, *place)) from None
    except yaml.YAMLError as error:
        raise _stop(label, 1, 1, f"this is no YAML: {error}") from None
    return Source(label, text, builder.root, builder.faults)


def _explained(problem: str, text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in problem or "'\\t'" in problem or re.match(r"\s*\t", written):
        return "a tab cannot indent YAML; use spaces"
    if "cannot start any token" in problem or "expected alphabetic or numeric character" in problem:
        return f"text cannot begin with {visible(written[column - 1 : column])} here; write it in quotes"
    if problem.startswith("mapping values are not allowed"):
        return "no `key: value` can stand here; indent it like its neighbours, or write text with a `: ` in quotes"
    return f"this is no YAML: {problem}"


def _place(before: str) -> tuple[int, int]:
    lines = re.split(r"\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


def _stop(label: str, line: int, column: int, message: str) -> InvalidProject:
    return InvalidProject(label, [Fault(label, line, column, "", message)])


class _Builder:
    """Turns the events of the parser into nodes, counting on the way, so that nothing large is ever built."""

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._open: list[Node] = []
        self._keys: list[Node | None] = []  # per open node: the key that waits for its value
        self._anchors: dict[str, Node] = {}
        self._count = 0
        self._documents = 0

    def add(self, event: Any) -> None:
        """Take the next event."""
        kind = type(event).__name__
        mark = event.start_mark
        if kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                raise self._stop(mark, "a second document begins here; the file may hold one only")
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(event)
        elif kind in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent"):
            self._node(event, kind)

    def _stop(self, mark: Any, message: str) -> InvalidProject:
        return _stop(self.label, mark.line + 1, mark.column + 1, message)

    def _fault(self, node: Node, message: str) -> None:
        self.faults.append(Fault(self.label, node.line, node.column, "", message))

    def _node(self, event: Any, kind: str) -> None:
        start, end = event.start_mark, event.end_mark
        node = Node(start.line + 1, start.column + 1, start.index, end.index)
        if event.tag is not None:
            self._fault(node, f"the tag {visible(str(event.tag))} is not allowed; tags are not part of kilter.yaml")
        if kind == "ScalarEvent":
            self._scalar(node, event)
        else:
            node.flow = bool(event.flow_style)
            node.pairs, node.items = ([], None) if kind == "MappingStartEvent" else (None, [])
        self._count_up(1, start)
        if event.anchor:
            self._anchors[event.anchor] = node
        if kind == "ScalarEvent":
            self._place_node(node)
            return
        if len(self._open) >= MAX_DEPTH:
            raise self._stop(start, f"the nesting is deeper than {MAX_DEPTH} levels")
        self._open.append(node)
        self._keys.append(None)

    def _scalar(self, node: Node, event: Any) -> None:
        node.raw = event.value
        node.plain = not event.style
        node.value = event.value
        if hidden := _HIDDEN.search(self.text, node.start, node.end):
            self._fault(node, f"holds the invisible character {visible(hidden[0])}; remove it or write it as an escape")
        if "\0" in event.value:
            self._fault(node, "holds a NUL character, which no program can be given")
        if node.plain and event.value != "<<":
            node.value, wrong = scalar_value(event.value)
            if wrong:
                self._fault(node, wrong)

    def _alias(self, event: Any) -> None:
        target = self._anchors.get(event.anchor)
        if target is None:
            message = f"the alias *{visible(event.anchor)} has no anchor before it; write text in quotes"
            raise self._stop(event.start_mark, message)
        if any(target is node for node in self._open):
            raise self._stop(event.start_mark, f"the alias *{visible(event.anchor)} refers to what it is part of")
        self._count_up(target.size, event.start_mark)
        mark, end = event.start_mark, event.end_mark
        place = {"line": mark.line + 1, "column": mark.column + 1, "start": mark.index, "end": end.index}
        self._place_node(replace(target, **place, is_alias=True))

    def _count_up(self, size: int, mark: Any) -> None:
        self._count += size
        if self._count > MAX_NODES:
            raise self._stop(mark, f"the file holds more than {MAX_NODES:,} values, aliases counted as what they mean")

    def _close(self, event: Any) -> None:
        node = self._open.pop()
        self._keys.pop()
        children = node.items if node.items is not None else [part for pair in node.pairs or () for part in pair]
        node.size = 1 + sum(child.size for child in children)
        node.end = event.end_mark.index if node.flow else (children[-1].end if children else node.end)
        if node.pairs is not None:
            self._check_keys(node)
        self._place_node(node)

    def _place_node(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        parent, key = self._open[-1], self._keys[-1]
        if parent.items is not None:
            parent.items.append(node)
        elif key is None:
            self._keys[-1] = node
        else:
            assert parent.pairs is not None
            parent.pairs.append((key, node))
            self._keys[-1] = None

    def _check_keys(self, node: Node) -> None:
        seen: dict[str, int] = {}
        for key, value in node.pairs or ():
            if is_merge(key):
                sources = value.items if value.items is not None else [value]
                if any(source.pairs is None for source in sources):
                    raise _stop(self.label, key.line, key.column, "<< takes a map, or a list of maps")
            elif key.pairs is not None or key.items is not None:
                raise _stop(self.label, key.line, key.column, "a key must be text, not a map or a list")
            if not isinstance(key.value, str):
                self._fault(key, f'a key must be text; write it in quotes: "{visible(key.raw)}"')
                key.value = key.raw
            if key.value in seen:
                self._fault(key, f"the key '{visible(key.value)}' appears twice, first in line {seen[key.value]}")
            seen.setdefault(key.value, key.line)
