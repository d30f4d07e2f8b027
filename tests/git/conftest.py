"""Real git on repositories of one test each: a bare one to write to, and a server in front of it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness.repository import FENCE, READER, WRITER, Open, Repository, Serving, git

from kilter.gitops.http_server import Server
from kilter.gitops.model import Fence
from kilter.gitops.remote import Remote
from kilter.gitops.served import Limits, Served
from kilter.gitops.service import serving
from kilter.gitops.tokens import Right, TokenFile, line
from kilter.gitops.writer import Writer
from kilter.proc import Runner, SubprocessRunner


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "flux.git")
    git("init", "--quiet", "--bare", "--initial-branch=main", made.path)
    return made


@pytest.fixture
def writer(repository: Repository, tmp_path: Path) -> Iterator[Open]:
    """Open writers to the repository; all are closed at the end."""
    with ExitStack() as stack:

        def make(
            fence: Fence = FENCE, runner: Runner | None = None, *, remote: Remote | None = None, folder: str = ""
        ) -> Writer:
            place = tmp_path / "writers" / (folder or f"{fence.number}-{fence.holder}")
            made = Writer(runner or SubprocessRunner(), remote or Remote(repository.url), place, fence)
            stack.callback(made.close)
            made.open()
            return made

        yield make


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Limits:
    return getattr(request, "param", Limits())


@pytest.fixture
def service(repository: Repository, tmp_path: Path, limits: Limits) -> Iterator[Serving]:
    tokens = tmp_path / "tokens"
    tokens.write_text(line(Right.READ, READER) + line(Right.WRITE, WRITER))
    runner = SubprocessRunner({"PATH": os.environ["PATH"]})
    server = Server(("127.0.0.1", 0), Served(repository.path, TokenFile(tokens), runner, limits))
    with serving(server):
        yield Serving(server, tokens, tmp_path)
