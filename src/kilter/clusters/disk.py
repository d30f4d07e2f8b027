"""Room on this machine's disks, for images and data."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kilter.clusters.engine import is_local
from kilter.errors import MachineLacks
from kilter.tools.docker import Engine
from kilter.words import human_size

GIB = 1024**3
WANTED, NEEDED = 10 * GIB, 2 * GIB  # bytes; below the lesser one the kubelet evicts pods
FIX = "free some space: `docker system df` shows what Docker uses, `docker image prune` removes unused images"


def scarcest(places: Sequence[Path]) -> tuple[int, Path]:
    """Return the least free space of the places, in bytes, and the place that has it.

    One that does not exist yet counts by what will hold it. Raises OSError.
    """
    return min((_free(one), one) for one in places)


def of_engine(engine: Engine, address: str) -> tuple[Path, ...]:
    """Return where an engine at this address keeps images; nothing where that is not on this machine.

    Docker Desktop's is on this machine and yet in another one.
    """
    root = Path(engine.root)
    seen = is_local(address) and root.is_absolute() and root.is_dir()
    return (root,) if seen else ()


def check(places: Sequence[Path]) -> None:
    """Raise MachineLacks where there is too little room to build; what cannot be looked at is not judged."""
    with suppress(OSError):
        free, where = scarcest(places) if places else (WANTED, Path())
        if free < NEEDED:
            raise MachineLacks(f"{human_size(free)} free at {where}", why="images are built there", hint=FIX)


def _free(place: Path) -> int:
    # A folder that only root may enter has a file system of its own where it is a mount point.
    for one in (place, *place.parents):
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            return shutil.disk_usage(one).free
    return shutil.disk_usage("/").free
