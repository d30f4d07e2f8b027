"""A small project of a test's own: one service, a component that is built, one that is not, and a process."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness.cli import Kilter
from harness.ports import SPAN
from kilter.clusters.ports import is_free
from kilter.state.blocks import BLOCK_SIZE, free_block

PREFIX = os.environ.get("KILTER_TEST_PREFIX", "e2e")  # of project names, for a machine that several people test on
LANE = int(os.environ.get("KILTER_TEST_LANE", "0"))  # 0 or 1, of two that run side by side
# A process 1 is deaf to SIGTERM unless it says otherwise, and every change of it would wait for the end of its grace.
DOCKERFILE = """FROM python:3.13-slim
WORKDIR /srv
COPY index.html .
EXPOSE 8000
CMD ["sh", "-c", "trap exit TERM; python -m http.server 8000 & wait"]
"""
WAITING = ["sh", "-c", "trap exit TERM; sleep infinity & wait"]
IDLE: dict[str, Any] = {"image": "docker.io/library/redis:8", "port": 0, "command": WAITING}


@contextmanager
def small(
    folder: Path, home: Path | None = None, *, binary: Path | None = None, extra: dict[str, str] | None = None
) -> Iterator[Kilter]:
    """Write the project into `folder`, with a name that nobody has, and destroy it in the end."""
    name = free_name()
    directory, home = folder / name, home or folder / "home"
    directory.mkdir(parents=True)
    home.mkdir(parents=True, exist_ok=True)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    (directory / "index.html").write_text("hello\n")
    kilter = Kilter(directory, home, binary or Path(os.environ["KILTER_BINARY"]), extra or {})
    declare(kilter, services=["redis"], components={"web": {"path": "."}, "side": IDLE}, processes=["worker"])
    try:
        yield kilter
    finally:
        kilter.run("destroy", "--yes", "--no-snapshot", "--purge", code=None)


def free_name() -> str:
    """Return a name for a project: one that nobody has, with ports of this lane."""
    return next(filter(is_apart, (f"{PREFIX}-{secrets.token_hex(3)}" for _ in range(1000))))


def is_apart(name: str) -> bool:
    """Tell whether a project of that name gets ports that no test of the other lane wants, and no cluster here has.

    The lanes' projects are of different HOMEs, whose records know nothing of each other. Blocks are even in lane 1, and
    odd in lane 0, as those of the trial platform are; the last ones are those of `harness.ports`.
    """
    base = free_block(name, {})
    return base + BLOCK_SIZE <= SPAN.start and base // BLOCK_SIZE % 2 != LANE and is_free(base)


def declare(
    kilter: Kilter, *, services: list[str], components: dict[str, dict[str, object]], processes: list[str]
) -> None:
    """Write the project's kilter.yaml anew."""
    document = {
        "name": kilter.directory.name,
        "services": services,
        "components": components,
        "processes": {name: {"command": WAITING} for name in processes},
    }
    (kilter.directory / "kilter.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
