"""Places in an image: where an instruction works, and where a file that it copies arrives."""

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from kilter.project.dockerfile_syntax import Instruction


def moved(current: str | None, instruction: Instruction) -> str | None:
    """Return the working directory after an instruction; None when not known."""
    if instruction.keyword != "WORKDIR":
        return current
    wanted = instruction.rest.strip("\"'")
    return None if "$" in wanted else absolute(current, wanted)


def absolute(current: str | None, path: str) -> str | None:
    """Return a path seen from a working directory, or None when that is not known and counts."""
    if path.startswith("/"):
        return posixpath.normpath("/" + path.lstrip("/"))
    return None if current is None else posixpath.normpath(posixpath.join(current, path))


def worked_in(start: str | None, instructions: Iterable[Instruction]) -> Iterator[str]:
    """Yield each known working directory, `start` first."""
    current = start
    if current is not None:
        yield current
    for instruction in instructions:
        current = moved(current, instruction)
        if current is not None and instruction.keyword == "WORKDIR":
            yield current


def with_those_above(directories: Iterable[str]) -> frozenset[str]:
    """Return directories and all that they lie in."""
    paths = map(PurePosixPath, directories)
    return frozenset(str(each) for path in paths for each in (path, *path.parents))


def of_file(source: str, destination: str, directories: frozenset[str]) -> str | None:
    """Return where a file arrives; None when the image alone could tell a directory from a file of another name.

    `directories` are those of the image that are known; a destination that ends with `/` is one, too.
    """
    name, written = posixpath.basename(source), posixpath.basename(destination)
    if destination.endswith("/") or destination in directories:
        return posixpath.join(destination, name)
    suffix = posixpath.splitext(name)[1]
    is_renamed = bool(suffix) and suffix == posixpath.splitext(written)[1]
    return destination if written == name or is_renamed else None
