"""What a Dockerfile tells of the files of the build context: which are synced, which are rebuilt, which none takes in.

What is unknown is rebuilt rather than synced.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from kilter.project import dockerfile_places as places
from kilter.project.dockerfile import Copy, Dockerfile, Stage
from kilter.project.dockerfile_syntax import Instruction
from kilter.values import Value

_WILDCARD = re.compile(r"[*?\[]")


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
    return tuple(sorted({_holder(source, context) for source in _taken(dockerfile, target)}))


def missed(dockerfile: Dockerfile, target: str | None) -> tuple[str, ...]:
    """Return what the last stage takes of the context and a target does not: Docker Compose mounts that into it."""
    taken = _taken(dockerfile, target)
    return tuple(source for source in sorted(_taken(dockerfile, None)) if not any(_within(source, it) for it in taken))


def _taken(dockerfile: Dockerfile, target: str | None) -> set[str]:
    """Return what a target's stages, and those that they copy from, take of the context, as it is written."""
    chain = dockerfile.chain(target)
    written = {source for stage in chain for copy in stage.copies for source in copy.sources}
    return written | {source for stage in chain for source in _read_elsewhere(dockerfile, stage, {id(stage)})}


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
