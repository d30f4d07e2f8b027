"""Commands for the docker CLI that concern the images in the engine's own store."""

import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from kilter.errors import BuildFailed
from kilter.proc import Command
from kilter.tools.docker import QUICK

UNSPELLED = "string field contains invalid UTF-8"  # all that the builder says of a name that it cannot send
NAMED = 3  # files in a sentence


def named(reference: str = "") -> Command:
    """List local images, all or those of a reference, in which `*` stands for anything but `/`."""
    chosen = (reference,) if reference else ()
    listing = ("docker", "image", "ls", "--no-trunc", "--digests", "--format", "{{json .}}")
    return Command((*listing, *chosen), timeout=QUICK)


def inspect(reference: str) -> Command:
    """Ask for the id of a local image; exit code 1 when it is not here."""
    return Command(("docker", "image", "inspect", "--format", "{{.Id}}", reference), timeout=QUICK, ok=(0, 1))


def pull(reference: str) -> Command:
    """Pull an image into the engine's store."""
    return Command(("docker", "pull", "--quiet", reference), timeout=600)


def remove(*references: str) -> Command:
    """Take names off local images; one that is gone or that a container uses is fine, and exit code 1."""
    return Command(("docker", "image", "rm", *references), timeout=300, ok=(0, 1))


def untag(name: str) -> Command:
    """Take one name off a local image, as `remove` does; layers of a build that it came from stay for the next one."""
    return Command(("docker", "image", "rm", "--no-prune", name), timeout=QUICK, ok=(0, 1))


def build(
    context: Path,
    tag: str,
    *,
    dockerfile: Path,
    target: str | None = None,
    platform: str = "",
    arguments: Mapping[str, str] | None = None,
) -> Command:
    """Build an image. Raises BuildFailed when it does not build."""
    words = ["--target", target] if target else []
    words += ["--platform", platform] if platform else []
    words += [word for name, value in (arguments or {}).items() for word in ("--build-arg", f"{name}={value}")]
    argv = ("docker", "build", "--file", str(dockerfile), "--tag", tag, *words, "--", str(context))
    return Command(argv, timeout=None, error=BuildFailed)


def remedy(said: str, context: Path) -> str:
    """Return what mends a build that failed with these words, where they do not tell it themselves; else nothing."""
    named = ", ".join(islice(_unspelled(context), NAMED)) if UNSPELLED in said else ""
    return f"rename {named}, or list it in .dockerignore: Docker takes no name that is not UTF-8" if named else ""


def _unspelled(context: Path) -> Iterator[str]:
    """Yield the paths below a build context whose own name is no UTF-8, with the bytes that are none as `\\xe9`."""
    for folder, folders, files in os.walk(context):
        for name in (*folders, *files):
            try:
                name.encode()
            except UnicodeEncodeError:
                path = os.fsencode((Path(folder) / name).relative_to(context))
                yield path.decode(errors="backslashreplace")


def tag(reference: str, name: str) -> Command:
    """Give a local image another name."""
    return Command(("docker", "image", "tag", reference, name), timeout=QUICK)


def push(tag: str, environment: Mapping[str, str] | None = None) -> Command:
    """Push an image to the registry that its name says; what it prints ends with the image's digest."""
    return Command(("docker", "push", tag), env=environment or {}, timeout=1800, error=BuildFailed)
