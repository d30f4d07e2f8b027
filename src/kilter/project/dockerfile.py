"""Reading a Dockerfile as far as the dev loop needs it: stages, ports, and where files of the context end up.

Nothing is executed and no variable is expanded: what depends on a build argument is treated as unknown, and what is
unknown is rebuilt rather than synced.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kilter.project import dockerfile_places as places
from kilter.project.dockerfile_syntax import Instruction, instructions
from kilter.values import Value

LAST_PORT = 65535
_PORT = re.compile(r"([0-9]{1,5})(?:/tcp)?\Z", re.IGNORECASE)
_REMOTE = re.compile(r"(?:[a-z]+://|git@)", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2?|txz|tar\.[a-z0-9]+)\Z", re.IGNORECASE)
_WILDCARD = re.compile(r"[*?\[]")


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


class SyncRules(Value, frozen=True):
    """`sync`: pairs of a path in the context and an absolute path in the container, both directories or both files.

    `rebuild_on`: paths in the context that a step of the build reads; `.` stands for everything.
    """

    sync: tuple[tuple[str, str], ...] = ()
    rebuild_on: tuple[str, ...] = ()


def sync_rules(dockerfile: Dockerfile, target: str | None, context: Path | None = None) -> SyncRules:
    """Derive the rules for a target (None: the last stage).

    What a RUN of the target's stages, or a stage that it copies from, may read is rebuilt; what is copied after the
    last RUN is synced. `context` is the directory of the build context; with it wildcards are resolved and files are
    told from directories by looking, without it by their names.
    """
    chain = dockerfile.chain(target)
    directories = _directories(chain, context)
    copies = [(copy, _run_follows(chain, at, copy)) for at, stage in enumerate(chain) for copy in stage.copies]
    rebuild = [source for copy, read in copies if read for source in _known(copy.sources, context)]
    for stage in chain:
        rebuild += _known(_read_elsewhere(dockerfile, stage, {id(stage)}), context)
    pairs: list[tuple[str, str]] = []
    for copy, read in copies:
        if read:
            continue
        if not copy.whole or copy.destination is None or any("$" in source for source in copy.sources):
            rebuild += _known(copy.sources, context)
            continue
        for source in copy.sources:
            if _WILDCARD.search(source):
                rebuild += _known((source,), context)
            elif place := _destination(source, copy.destination, directories, context):
                pairs.append((source, place))
            else:
                rebuild.append(source)
    rebuilt = tuple(dict.fromkeys(rebuild))
    kept = tuple(pair for pair in dict.fromkeys(pairs) if not any(_within(pair[0], path) for path in rebuilt))
    return SyncRules(kept, rebuilt)


def holders(dockerfile: Dockerfile, target: str | None, context: Path) -> tuple[str, ...]:
    """Return the paths of the context below which lies all that a build takes in, what is yet to be made included."""
    chain = dockerfile.chain(target)
    written = [source for stage in chain for copy in stage.copies for source in copy.sources]
    written += [source for stage in chain for source in _read_elsewhere(dockerfile, stage, {id(stage)})]
    return tuple(sorted({_holder(source, context) for source in written}))


def _run_follows(chain: tuple[Stage, ...], at: int, copy: Copy) -> bool:
    return copy.before_run or any(each.keyword == "RUN" for stage in chain[at + 1 :] for each in stage.instructions)


def _within(path: str, above: str) -> bool:
    return above in (".", path) or path.startswith(above + "/")


def _holder(source: str, context: Path) -> str:
    """Return the path below which all lies that a source may ever stand for; where a link leads is not followed."""
    fixed = re.split(r"[*?\[$]", source, maxsplit=1)[0]
    place = source if fixed == source else posixpath.dirname(fixed) or "."
    with suppress(OSError):  # a name that no file can have
        if any((context / part).is_symlink() for part in (Path(place), *Path(place).parents)):
            return "."
    return place


def _known(sources: Iterable[str], context: Path | None) -> list[str]:
    """Return the paths that sources stand for: wildcards resolved, variables widened to the directory before them."""
    found: list[str] = []
    for source in sources:
        if "$" in source:
            found.append(posixpath.dirname(source.partition("$")[0]) or ".")
        elif _WILDCARD.search(source) and context is not None:
            found += _matching(source, context)
        else:
            found.append(source)
    return found


def _matching(source: str, context: Path) -> list[str]:
    """Return the paths that a source with wildcards stands for."""
    # To the builder `**.py` says the same as `*.py`; pathlib takes `**` for a whole part of a path alone.
    parts = [part if part == "**" else re.sub(r"\*+", "*", part) for part in source.split("/")]
    try:
        return sorted(path.relative_to(context).as_posix() for path in context.glob("/".join(parts)))
    except OSError:  # a name that no file can have
        return []


def _directories(chain: tuple[Stage, ...], context: Path | None) -> frozenset[str]:
    """Return what is a directory of the image for sure, wherever the chain says so: else no builder would build it."""
    found = [place for stage in chain for place in places.worked_in(stage.start_directory, stage.instructions)]
    for copy in (copy for stage in chain for copy in stage.copies):
        if place := copy.destination:
            holds = place.endswith("/") or any(_is_directory(source, context) for source in copy.sources)
            found.append(place if holds else posixpath.dirname(place))
    return places.with_those_above(found)


def _destination(source: str, destination: str, directories: frozenset[str], context: Path | None) -> str | None:
    """Return where a source arrives: a directory's contents go into the destination; None when that is not known."""
    if source == "." or _is_directory(source, context):
        return destination.rstrip("/") or "/"
    return places.of_file(source, destination, directories)


def _is_directory(source: str, context: Path | None) -> bool:
    with suppress(OSError):  # a name that no file can have
        if context is not None and (context / source).exists():
            return (context / source).is_dir()
    return "." not in posixpath.basename(source).lstrip(".")


def _read_elsewhere(dockerfile: Dockerfile, stage: Stage, seen: set[int]) -> Iterator[str]:
    """Yield what a stage reads of the context other than by its own COPY: by mounts, and by stages it copies from."""
    for instruction in stage.instructions:
        for name, source in _origins(instruction):
            if name is None:
                yield source
                continue
            for other in dockerfile.chain(name) if dockerfile.stage(name) else ():
                if id(other) in seen:
                    continue
                seen.add(id(other))
                for copy in other.copies:
                    yield from copy.sources
                yield from _read_elsewhere(dockerfile, other, seen)


def _origins(instruction: Instruction) -> Iterator[tuple[str | None, str]]:
    """Yield (stage or image, '') for what is copied or mounted from one, (None, path) for a mount of the context."""
    if instruction.keyword in ("COPY", "ADD") and (origin := instruction.flag("from")):
        yield origin, ""
    for flag, value in instruction.flags:
        if instruction.keyword != "RUN" or flag != "mount":
            continue
        options = dict(part.partition("=")[::2] for part in value.split(","))
        origin = options.get("from")
        if origin:
            yield origin, ""
        elif options.get("type", "bind") == "bind":
            source = options.get("source", options.get("src", "."))
            yield None, posixpath.normpath("/" + source.lstrip("/")).lstrip("/") or "."
