"""Reading a Dockerfile as far as the dev loop needs it: stages, ports, and what they take in of the context.

Nothing is executed and no variable is expanded: what depends on a build argument is treated as unknown.
"""

import posixpath
import re

from kilter.project import dockerfile_places as places
from kilter.project.dockerfile_syntax import Instruction, instructions
from kilter.values import Value

LAST_PORT = 65535
_PORT = re.compile(r"([0-9]{1,5})(?:/tcp)?\Z", re.IGNORECASE)
_REMOTE = re.compile(r"(?:[a-z]+://|git@)", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2?|txz|tar\.[a-z0-9]+)\Z", re.IGNORECASE)


class Copy(Value, frozen=True):
    """Files of the build context that a stage takes in.

    `destination` is absolute, ending with `/` when it is surely a directory, or None when it is not known;
    `before_run` tells whether a RUN of the same stage follows.
    """

    sources: tuple[str, ...]
    destination: str | None
    before_run: bool
    line: int = 0
    whole: bool = True  # False when flags or the kind of source change what arrives


class Stage(Value, frozen=True):
    """One FROM and what follows it. `base` is the name of an earlier stage or an image reference."""

    name: str | None
    base: str
    line: int
    instructions: tuple[Instruction, ...] = ()
    start_directory: str | None = None  # WORKDIR inherited from the stages below; None when not known

    @property
    def end_directory(self) -> str | None:
        """The WORKDIR that the stage ends with; None when not known."""
        current = self.start_directory
        for instruction in self.instructions:
            current = places.moved(current, instruction)
        return current

    @property
    def copies(self) -> tuple[Copy, ...]:
        """What COPY and ADD take from the build context, in order; `COPY --from` and downloads are left out."""
        last_run = max((at for at, each in enumerate(self.instructions) if each.keyword == "RUN"), default=-1)
        found, current = [], self.start_directory
        for at, instruction in enumerate(self.instructions):
            current = places.moved(current, instruction)
            copy = _copy(instruction, current, before_run=at < last_run)
            if copy is not None:
                found.append(copy)
        return tuple(found)


class Dockerfile(Value, frozen=True):
    """The stages of a Dockerfile in order."""

    stages: tuple[Stage, ...]

    def stage(self, name: str | None) -> Stage | None:
        """Return the stage of that name or number; None for `name` means the last one."""
        if name is None:
            return self.stages[-1] if self.stages else None
        named = (stage for stage in self.stages if stage.name and stage.name.lower() == name.lower())
        numbered = (
            self.stages[int(name)] if name.isascii() and name.isdigit() and int(name) < len(self.stages) else None
        )
        return next(named, numbered)

    def chain(self, target: str | None) -> tuple[Stage, ...]:
        """Return the stages that make up a target, the lowest first; empty when there is no such stage."""
        found: list[Stage] = []
        stage = self.stage(target)
        while stage is not None:
            found.append(stage)
            stage = _named(self.stages[: self.stages.index(stage)], stage.base)
        return tuple(reversed(found))

    def exposed_by(self, target: str | None) -> tuple[int, ...]:
        """Return the TCP ports that a target exposes, its base stages' included, in order.

        Variables, and numbers of no port, are left out.
        """
        words = [word for stage in self.chain(target) for each in stage.instructions if each.keyword == "EXPOSE"
                 for word in each.words()]  # fmt: skip
        ports = dict.fromkeys(int(match[1]) for word in words if (match := _PORT.match(word)))
        return tuple(port for port in ports if 1 <= port <= LAST_PORT)


def read(text: str) -> Dockerfile:
    """Read a Dockerfile; whatever is not understood is left to the builder to complain about."""
    stages: list[Stage] = []
    for instruction in instructions(text):
        if instruction.keyword == "FROM":
            words = instruction.words()
            named = words[2] if len(words) == 3 and words[1].upper() == "AS" else None
            base = words[0] if words else ""
            below = _named(tuple(stages), base)
            stages.append(Stage(named, base, instruction.line, (), below.end_directory if below else None))
        elif stages:
            last = stages[-1]
            taken = (*last.instructions, instruction)
            stages[-1] = Stage(last.name, last.base, last.line, taken, last.start_directory)
    return Dockerfile(tuple(stages))


def _named(stages: tuple[Stage, ...], name: str) -> Stage | None:
    return next((stage for stage in reversed(stages) if stage.name and stage.name.lower() == name.lower()), None)


def _copy(instruction: Instruction, current: str | None, *, before_run: bool) -> Copy | None:
    if instruction.keyword not in ("COPY", "ADD") or instruction.flag("from") is not None:
        return None
    words = [_unquoted(word) for word in instruction.words() if not word.startswith("<<")]
    sources = [word for word in words[:-1] if not _REMOTE.match(word)]
    if not sources:
        return None
    whole = instruction.flag("parents") is None and instruction.flag("exclude") is None
    if instruction.keyword == "ADD" and any(_ARCHIVE.search(source) for source in sources):
        whole = False
    written = words[-1]
    found = None if "$" in written else places.absolute(current, written)
    is_directory = written.endswith(("/", "/.")) or written in (".", "..") or len(sources) > 1
    destination = f"{found.rstrip('/')}/" if found is not None and is_directory else found
    return Copy(tuple(map(_in_context, sources)), destination, before_run, instruction.line, whole)


def _unquoted(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else word


def _in_context(source: str) -> str:
    """Return a source relative to the context; the builder clamps `..` and ignores a leading `/`."""
    return posixpath.normpath("/" + source.lstrip("/")).lstrip("/") or "."
