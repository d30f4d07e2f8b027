"""Cuts and insertions in the text of a YAML file, placed by the nodes that were read from it."""

from collections.abc import Iterator
from dataclasses import dataclass

from kilter.project.source import Node


@dataclass(frozen=True)
class Cut:
    """Replacements of text: (start, end, new text), none overlapping another."""

    parts: tuple[tuple[int, int, str], ...]

    def applied(self, text: str) -> str:
        """Return the text with all replacements made."""
        for start, end, new in sorted(self.parts, reverse=True):
            text = text[:start] + new + text[end:]
        return text


@dataclass(frozen=True)
class Sheet:
    """The text of a file (without byte order mark) and its root map, None when the file holds nothing."""

    text: str
    root: Node | None

    @property
    def line_end(self) -> str:
        """The line end that the file uses."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def pair(self, parent: Node, name: str) -> tuple[Node, Node]:
        """Return the key and value of a map; raises KeyError."""
        if found := self.pair_of(parent, name):
            return found
        raise KeyError(name)

    def pair_of(self, parent: Node, name: str) -> tuple[Node, Node] | None:
        """Return the key and value of a map, or None."""
        return next(((key, value) for key, value in parent.pairs or [] if key.value == name), None)

    def value(self, name: str) -> Node | None:
        """Return the value of a key of the root map, or None."""
        found = self.pair_of(self.root, name) if self.root else None
        return found[1] if found else None

    def lines_of(self, name: str) -> list[str]:
        """Return the lines from a key of the root map to the next one's, or to the end."""
        pairs = self.root.pairs if self.root and self.root.pairs else []
        starts = [self._line_start(key.start) for key, _ in pairs] + [len(self.text)]
        at = next(place for place, (key, _) in enumerate(pairs) if key.value == name)
        return self.text[starts[at] : starts[at + 1]].splitlines()

    def set_section(self, name: str, lines: list[str], flow: str) -> Iterator[Cut]:
        """Propose ways to give the root map a section, absent or empty so far."""
        if self.root is None or not self.root.pairs:
            yield self._at_end([f"{name}:", *(f"  {line}" for line in lines)], 0)
            return
        margin = self.root.column - 1
        step = self._step()
        block = [f"{name}:", *(" " * step + line for line in lines)]
        if self.value(name) is None:
            if self.root.flow:
                yield from self.last_in(self.root, [], f"{name}: {flow}")
                return
            yield self._at_end(block, margin)
            yield from self.first_in(self.root, block)
            return
        key, value = self.pair(self.root, name)
        if not self.root.flow:
            after = self._line_end_after(max(key.end, value.end))
            begin = self._before_blanks(value.start) if value.end > value.start else value.start
            below = self._joined(lines, margin + step)
            if value.end > value.start:
                yield Cut(((begin, value.end, ""), (after, after, self.line_end + below)))
            yield Cut(((after, after, self.line_end + below),))
        yield self.replace_value(key, value, flow)

    def set_scalar(self, name: str, value: str) -> Iterator[Cut]:
        """Propose ways to give the root map a plain value under a key that it does not have, or that has none."""
        line = f"{name}: {value}"
        if self.root and (present := self.pair_of(self.root, name)):
            yield self.replace_value(*present, value)
        elif self.root is None or not self.root.pairs:
            yield self._at_end([line], 0)
        elif self.root.flow:
            yield from self.last_in(self.root, [], line)
        else:
            yield self._at_end([line], self.root.column - 1)
            yield from self.first_in(self.root, [line])

    def first_in(self, parent: Node, lines: list[str]) -> Iterator[Cut]:
        """Propose to insert a pair before the others of a map that is not empty."""
        first = (parent.pairs or [])[0][0]
        if parent.flow:
            at = self.text.find("{", parent.start) + 1
            blank = self.text[at : at + 1].isspace()
            yield Cut(((at, at, f" {lines[0]}," if blank else f"{lines[0]}, "),))
            return
        at = self._line_start(first.start)
        yield Cut(((at, at, self._joined(lines, first.column - 1) + self.line_end),))

    def last_in(self, parent: Node, lines: list[str], flow: str) -> Iterator[Cut]:
        """Propose to insert a pair after the others of a map that is not empty."""
        last_key, last_value = (parent.pairs or [])[-1]
        end = max(last_key.end, last_value.end)
        if parent.flow:
            yield Cut(((end, end, f", {flow}"),))
            yield from self.first_in(parent, [flow])
            return
        yield self._after(end, lines, last_key.column - 1)
        yield from self.first_in(parent, lines)

    def append_item(self, items: Node, text: str) -> Iterator[Cut]:
        """Propose to add a plain item to a list that is not empty."""
        last = (items.items or [])[-1]
        if items.flow:
            yield Cut(((last.end, last.end, f", {text}"),))
            return
        margin = self.text[self._line_start(last.start) : last.start]
        yield self._after(last.end, [margin + text], 0)

    def replace_value(self, key: Node, value: Node, new: str) -> Cut:
        """Put another value in the place of a scalar; an empty `new` leaves the key alone."""
        if value.end > value.start:
            begin = value.start if new else self._before_blanks(value.start)
            return Cut(((begin, value.end, new),))
        at = self.text.find(":", key.end) + 1
        return Cut(((at, at, f" {new}"),))

    def remove(self, parent: Node, name: str) -> Iterator[Cut]:
        """Propose to take a pair out of a map."""
        pairs = parent.pairs or []
        at = next(place for place, (key, _) in enumerate(pairs) if key.value == name)
        key, value = pairs[at]
        if not parent.flow:
            yield self.remove_lines([key, value])
        elif at + 1 < len(pairs):
            yield Cut(((key.start, pairs[at + 1][0].start, ""),))
        elif at:
            before = max(pairs[at - 1][0].end, pairs[at - 1][1].end)
            if "#" in self.text[before : key.start]:  # a comment; the comma before it may end a map
                yield Cut(((key.start, max(key.end, value.end), ""),))
            yield Cut(((before, max(key.end, value.end), ""),))
        else:
            yield Cut(((key.start, max(key.end, value.end), ""),))
            yield Cut(((parent.start, parent.end, "{}"),))

    def remove_lines(self, nodes: list[Node]) -> Cut:
        """Take out the whole lines that nodes begin and end on, their line ends included."""
        spans: dict[int, int] = {}
        for node in nodes:
            for place in (node.start, max(node.start, node.end - 1)):
                begin = self._line_start(place)
                spans[begin] = self._next_line(place)
        return Cut(tuple((begin, end, "") for begin, end in spans.items()))

    def _step(self) -> int:
        for _, value in (self.root.pairs or []) if self.root else []:
            if value.pairs and not value.flow and self.root and value.column > self.root.column:
                return value.column - self.root.column
        return 2

    def _joined(self, lines: list[str], margin: int) -> str:
        return self.line_end.join(" " * margin + line for line in lines)

    def _at_end(self, lines: list[str], margin: int) -> Cut:
        end = len(self.text)
        glue = "" if not self.text or self.text.endswith(("\n", "\r")) else self.line_end
        return Cut(((end, end, glue + self._joined(lines, margin) + self.line_end),))

    def _after(self, end: int, lines: list[str], margin: int) -> Cut:
        """Insert lines below the line in which content ends."""
        new = self._joined(lines, margin)
        if end and self.text[end - 1] in "\r\n":  # a block scalar ends where the next line begins
            return Cut(((end, end, new + self.line_end),))
        at = self._line_end_after(end)
        return Cut(((at, at, self.line_end + new),))

    def _line_start(self, at: int) -> int:
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def _line_end_after(self, at: int) -> int:
        found = [place for place in (self.text.find("\n", at), self.text.find("\r", at)) if place >= 0]
        return min(found, default=len(self.text))

    def _next_line(self, at: int) -> int:
        end = self._line_end_after(at)
        return end + (2 if self.text.startswith("\r\n", end) else 1 if end < len(self.text) else 0)

    def _before_blanks(self, at: int) -> int:
        while at and self.text[at - 1] in " \t":
            at -= 1
        return at
