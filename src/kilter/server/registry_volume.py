"""`python -m kilter.server.registry_volume look|prune`: the part of tidying the registry that it cannot do itself.

Both run in the registry's pod before the registry serves, so that nobody writes meanwhile. `look` tells whether it is
time to collect garbage; when the registry's own program has done so, `prune` removes the repositories that hold no
manifest any more. Neither fails: a registry that serves, untidy as it is, is better than none.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from kilter.server import logs

log = logging.getLogger("kilter.server")
REPOSITORIES: Final = Path("docker/registry/v2/repositories")
QUIET: Final = 600.0  # seconds: the life of a credential to push with, after which a push is over or has failed

HASH: Final = r"sha(256|512)"
DIGEST: Final = rf"{HASH}/[0-9a-f]{{64,128}}"
TAG: Final = r"\w[\w.-]{0,127}"
# What may lie in a repository without a manifest, as distribution's `paths.go` has it.
FOLDER: Final = re.compile(
    rf"_manifests(/revisions(/{HASH})?|/revisions/{DIGEST})?"
    rf"|_manifests/tags(/{TAG}(/current|/index(/{HASH})?|/index/{DIGEST})?)?"
    rf"|_layers(/{HASH}|/{DIGEST})?"
    r"|_uploads",
    re.ASCII,
)
LINK: Final = re.compile(rf"(_manifests/tags/{TAG}/(current|index/{DIGEST})|_layers/{DIGEST})/link", re.ASCII)
MANIFEST: Final = re.compile(rf"_manifests/revisions/{DIGEST}/link", re.ASCII)
LEAF: Final = re.compile(rf"(_manifests/revisions|_layers)/{DIGEST}", re.ASCII)
ORDER: Final = ("_manifests", "_layers", "_uploads")  # without the first, the registry knows no repository here


def look(volume: Path, now: float) -> bool:
    """Tell whether there is something to collect, and nobody pushes who would lose by it; `now` is a Unix time."""
    found = list(repositories(volume))
    if not any(is_due(repository) for repository in found):
        log.info("nothing to collect")
        return False
    for repository in found:
        if is_pushed_to(repository, now):
            name = repository.relative_to(volume / REPOSITORIES).as_posix()
            log.info("somebody pushes: collecting waits for the next start", extra={"facts": {"repository": name}})
            return False
    return True


def prune(volume: Path) -> None:
    """Remove the repositories that hold no manifest, and the empty folders of what was removed from the others.

    May be ended anywhere and run again. What is no part of a repository, and a repository with anything in it that the
    registry does not put there, or with an upload, stays.
    """
    for repository in repositories(volume):
        name = repository.relative_to(volume / REPOSITORIES).as_posix()
        try:
            keeper = kept_by(repository)
            if keeper:
                tidy(repository)
            else:
                remove(repository, volume / REPOSITORIES)
                log.info("repository removed", extra={"facts": {"repository": name}})
        except OSError as error:
            log.warning("repository left alone", extra={"facts": {"repository": name, "error": str(error)}})
            continue
        if keeper and not MANIFEST.fullmatch(keeper):
            log.info(
                "repository kept for something else than a manifest",
                extra={"facts": {"repository": name, "path": keeper}},
            )


def repositories(volume: Path) -> Iterator[Path]:
    """Yield the folder of each repository, those within another's name before it."""
    folder = volume
    for part in REPOSITORIES.parts:
        folder /= part
        if folder.is_symlink() or not folder.is_dir():
            return
    yield from _below(folder)


def kept_by(repository: Path) -> str:
    """Return the path within a repository that keeps it: a manifest, an upload, something strange; empty for none."""
    for entry in content(repository):
        path = _within(entry, repository)
        known = FOLDER if entry.is_dir(follow_symlinks=False) else LINK
        if entry.is_symlink() or not known.fullmatch(path):
            return path
    return ""


def is_due(repository: Path) -> bool:
    """Tell whether manifests were removed from a repository since it was last pruned, or it is to go."""
    revisions = repository / "_manifests/revisions"
    folders = (Path(entry.path) for entry in inside(revisions) if LEAF.fullmatch(_within(entry, repository)))
    return any(not any(folder.iterdir()) for folder in folders) or not kept_by(repository)


def is_pushed_to(repository: Path, now: float) -> bool:
    """Tell whether a push is under way: an upload that goes on, or layers newer than the newest change of a manifest.

    Manifests are pushed last. One that is pushed at the same time as another, in the same repository, may go unseen: it
    fails at its manifest and is repeated.
    """

    def changed(entry: "os.DirEntry[str]") -> float:
        return entry.stat(follow_symlinks=False).st_mtime

    settled = max(map(changed, inside(repository / "_manifests/revisions")), default=0.0)
    uploads = map(changed, inside(repository / "_uploads"))
    layers = (changed(entry) for entry in inside(repository / "_layers") if entry.is_file(follow_symlinks=False))
    pushed = (*uploads, *(layer for layer in layers if layer > settled))
    return any(abs(now - each) < QUIET for each in pushed)  # a clock that was wrong once must not hold it up for ever


def remove(repository: Path, root: Path) -> None:
    """Remove a repository that nothing keeps, and the folders of its name that are then empty. Raises OSError."""
    for entry in content(repository):
        if entry.is_dir(follow_symlinks=False):
            Path(entry.path).rmdir()
        else:
            Path(entry.path).unlink()
    for folder in (repository, *repository.parents):
        if folder == root or any(folder.iterdir()):
            return
        folder.rmdir()


def tidy(repository: Path) -> None:
    """Remove the empty folders that manifests and layers leave. Raises OSError."""
    for entry in content(repository):
        if entry.is_dir(follow_symlinks=False) and LEAF.fullmatch(_within(entry, repository)):
            with suppress(OSError):  # it is not empty
                Path(entry.path).rmdir()


def content(repository: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield what a repository itself consists of, the content of a folder before it."""
    with os.scandir(repository) as found:
        own = {entry.name: entry for entry in found if entry.name.startswith("_")}
    strange = [name for name in sorted(own) if name not in ORDER]
    for entry in (own[name] for name in (*ORDER, *strange) if name in own):
        if entry.is_dir(follow_symlinks=False):
            yield from inside(Path(entry.path))
        yield entry


def inside(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """Yield everything below a folder, the content of a folder before it; nothing of a folder that is not there."""
    if folder.is_symlink() or not folder.is_dir():
        return
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from inside(Path(entry.path))
        yield entry


def _below(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    for name in names:
        if not name.startswith("_"):
            yield from _below(folder / name)
    if any(name in ORDER for name in names):
        yield folder


def _within(entry: "os.DirEntry[str]", repository: Path) -> str:
    return Path(entry.path).relative_to(repository).as_posix()


def mark(volume: Path, marker: Path) -> None:
    """Make the marker when it is time to collect, and only then."""
    marker.unlink(missing_ok=True)
    began = marker.with_suffix(".began")
    if began.exists():  # the last look in this pod was killed; were it tried until it ends, nothing might ever serve
        began.unlink()
        log.warning("the last look did not end; the next start looks again")
        return
    began.touch()
    if look(volume, time.time()):
        marker.touch()
    began.unlink()


def main(arguments: list[str]) -> int:
    """Look, and make the marker when it is time to collect; or prune, if the marker says that it was done."""
    logs.configure()
    try:
        match arguments:
            case ["look", volume, marker]:
                mark(Path(volume), Path(marker))
            case ["prune", volume, marker]:
                if Path(marker).exists():
                    Path(marker).unlink()
                    prune(Path(volume))
            case _:
                log.error("python -m kilter.server.registry_volume takes `look` or `prune`, <volume> and <marker>")
                return 2
    except Exception:
        log.exception("the registry is not tidied")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
