"""A small project of a test's own: one service, a component that is built, one that is not, and a process."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from harness.cli import Kilter

PREFIX = os.environ.get("KILTER_TEST_PREFIX", "e2e")  # of project names, for a machine that several people test on
# A process 1 is deaf to SIGTERM unless it says otherwise, and every change of it would wait for the end of its grace.
DOCKERFILE = """FROM python:3.13-slim
WORKDIR /srv
COPY index.html .
EXPOSE 8000
CMD ["sh", "-c", "trap exit TERM; python -m http.server 8000 & wait"]
"""
WAITING = ["sh", "-c", "trap exit TERM; sleep infinity & wait"]
IDLE = {"image": "docker.io/library/redis:8", "port": 0, "command": WAITING}


@contextmanager
def small(
    folder: Path, home: Path | None = None, *, binary: Path | None = None, extra: dict[str, str] | None = None
) -> Iterator[Kilter]:
    """Write the project into `folder`, with a name that nobody has, and destroy it in the end."""
    name = f"{PREFIX}-{secrets.token_hex(3)}"
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
