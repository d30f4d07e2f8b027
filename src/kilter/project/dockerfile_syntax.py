"""From the text of a Dockerfile to its instructions: continuations, comments, flags, here-documents."""

import json
import re
from collections.abc import Iterator

from kilter.values import Value

_HEREDOC = re.compile(r"""<<-?\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z_][A-Za-z0-9_.]*))""")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)\s*\Z", re.IGNORECASE)
_DIRECTIVE = re.compile(r"#\s*[A-Za-z]+\s*=")
_FLAG = re.compile(r"--([a-z][a-z-]*)(?:=(\S*))?\s*")


class Instruction(Value, frozen=True):
    """One instruction: keyword in capitals, line of its beginning, flags (`--from=x`), and the rest as one line."""

    keyword: str
    line: int
    flags: tuple[tuple[str, str], ...]
    rest: str

    def flag(self, name: str) -> str | None:
        """Return the value of the first flag of that name, or None."""
        return next((value for flag, value in self.flags if flag == name), None)

    def words(self) -> tuple[str, ...]:
        """Return the arguments, written as a JSON list or as plain words."""
        if self.rest.startswith("["):
            try:
                parsed = json.loads(self.rest)
            except ValueError:
                parsed = None
            if isinstance(parsed, list) and all(isinstance(word, str) for word in parsed):
                return tuple(parsed)
        return tuple(self.rest.split())


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a Dockerfile; here-documents are skipped over."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape_of(lines)
    at = 0
    while at < len(lines):
        begin = at
        whole, at = _logical_line(lines, at, escape)
        keyword, _, rest = whole.strip().partition(" ")
        if not keyword:
            continue
        keyword, rest = keyword.upper(), rest.strip()
        if keyword in ("RUN", "COPY", "ADD") and not rest.startswith("["):
            at = _after_heredocs(lines, at, rest)
        flags = []
        while match := _FLAG.match(rest):
            flags.append((match[1], match[2] or ""))
            rest = rest[match.end() :]
        yield Instruction(keyword, begin + 1, tuple(flags), rest)


def _escape_of(lines: list[str]) -> str:
    for line in lines:
        if match := _ESCAPE.match(line.strip()):
            return match[1]
        if not _DIRECTIVE.match(line.strip()):
            break
    return "\\"


def _logical_line(lines: list[str], at: int, escape: str) -> tuple[str, int]:
    """Join a line with its continuations, comments left out; return it and the index of the line after it."""
    parts: list[str] = []
    while at < len(lines):
        line = lines[at].replace("\t", " ")
        at += 1
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            if not parts:
                break
            continue
        stripped = line.rstrip()
        if not stripped.endswith(escape):
            parts.append(stripped)
            break
        parts.append(stripped[:-1])
    return "".join(parts), at


def _after_heredocs(lines: list[str], at: int, rest: str) -> int:
    """Return the index of the line after the here-documents that an instruction opens."""
    for match in _HEREDOC.finditer(rest):
        end = match[1] or match[2] or match[3]
        closing = next((n for n in range(at, len(lines)) if lines[n].strip("\t ") == end), None)
        if closing is None:
            return at  # a shift operator, not a here-document
        at = closing + 1
    return at
