"""The writer, or the server, ends at any point without a word; the next one goes on, and nothing is half there."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness.ports import loopback_port
from harness.repository import READER, WRITER, Open, Repository, change

from kilter.gitops.model import Result, Unpublished
from kilter.gitops.remote import Remote
from kilter.gitops.tokens import Right, line
from kilter.gitops.writer import Writer

# A writer that ends itself by SIGKILL just before or after its n-th git command: argv = repository, folder, n, when.
SUICIDAL = """
import os, signal, sys
from pathlib import Path
from harness.repository import FENCE, change
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner

class Runner(SubprocessRunner):
    left = int(sys.argv[3])
    def reached(self):
        Runner.left -= 1
        return Runner.left == 0
    def run(self, command):
        last = self.reached()
        if last and sys.argv[4] == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = super().run(command)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

opened = Writer(Runner(), Remote(sys.argv[1]), Path(sys.argv[2]), FENCE)
opened.open()
for text in ("a: 1\\n", "a: 2\\n"):
    opened.submit(change(text=text))
    opened.submit(change("other", text))
    opened.flush()
print("survived")
"""
# A writer that publishes for as long as it lives.
BUSY = """
import sys
from pathlib import Path
from harness.repository import FENCE, change
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner

opened = Writer(SubprocessRunner(), Remote(sys.argv[1]), Path(sys.argv[2]), FENCE)
opened.open()
print("open", flush=True)
number = 0
while True:
    number += 1
    for app in ("one", "two"):
        opened.submit(change(app, f"a: {number}\\n"))
    opened.flush()
"""
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
POINTS = 22  # git commands of a claim and two commits; the test below proves that there are not more


def python(text: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", text, *map(str, arguments)]


def agree(repository: Repository, apps: tuple[str, str]) -> None:
    """Hold the branch to it: both apps, which are always written together, are there alike, or not at all."""
    files = repository.files()
    found = [files.get(f"apps/acme/{app}/prod/configmap-a.yaml") for app in apps]
    assert found[0] == found[1]
    assert repository.is_sound()


@pytest.mark.requirement("F23")
@pytest.mark.parametrize("when", ["before", "after"])
def test_f23_a_writer_killed_at_any_git_command_leaves_work_that_goes_on(
    repository: Repository, tmp_path: Path, when: str
) -> None:
    survived = 0
    for point in range(1, POINTS + 1):
        command = python(SUICIDAL, repository.url, tmp_path / "w", point, when)
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        survived += done.returncode == 0
        if repository.path.joinpath("refs/heads/main").exists():
            agree(repository, ("shop", "other"))
    last = python(SUICIDAL, repository.url, tmp_path / "w", 0, when)
    assert (
        "survived"
        in subprocess.run(last, env=ENVIRONMENT, capture_output=True, text=True, check=True, timeout=60).stdout
    )
    agree(repository, ("shop", "other"))
    assert repository.files()["apps/acme/shop/prod/configmap-a.yaml"] == "a: 2\n"
    assert 0 < survived < POINTS  # the points reached beyond the last command, and so every one before it
    assert len(list((tmp_path / "w").glob("clone-*"))) <= 1


@pytest.mark.requirement("F23")
def test_f23_writers_killed_at_random_moments_lose_nothing(
    repository: Repository, writer: Open, tmp_path: Path
) -> None:
    chance = random.Random(23)  # noqa: S311
    for _ in range(10):
        with subprocess.Popen(
            python(BUSY, repository.url, tmp_path / "w"), env=ENVIRONMENT, stdout=subprocess.PIPE
        ) as busy:
            assert busy.stdout is not None
            assert busy.stdout.readline() == b"open\n"
            time.sleep(chance.uniform(0.0, 0.3))
            busy.kill()
        agree(repository, ("one", "two"))
    before = repository.commits()
    opened = writer(folder="w")
    future = opened.submit(change("one", "a: last\n"))
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert set(before) < set(repository.commits())


@pytest.mark.requirement("F23")
def test_a_server_killed_during_pushes_keeps_what_it_took(repository: Repository, writer: Open, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(line(Right.READ, READER) + line(Right.WRITE, WRITER))
    (tmp_path / "token").write_text(WRITER)
    port = loopback_port()
    words = ["--repository", repository.path, "--tokens", tmp_path / "tokens", "--listen", f"127.0.0.1:{port}"]
    chance, published = random.Random(5), list[str]()  # noqa: S311
    remote = Remote(f"http://127.0.0.1:{port}/flux.git", token=tmp_path / "token")
    opened = None
    for _ in range(6):
        command = [sys.executable, "-m", "kilter.gitops.service", *map(str, words)]
        with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as server:
            assert server.stderr is not None
            assert b"serving" in server.stderr.readline()
            opened = opened or writer(remote=remote)
            before = len(published)
            with ThreadPoolExecutor(1) as beside:
                pushing = beside.submit(push_on, opened, published)
                while len(published) == before and not pushing.done():
                    time.sleep(0.01)
                time.sleep(chance.uniform(0.0, 0.4))
                server.kill()
                assert isinstance(pushing.result(120), Unpublished)
        assert len(published) > before
        assert set(published) < set(repository.commits())
        assert repository.is_sound()


def push_on(opened: Writer, published: list[str]) -> BaseException:
    """Push one change after the other until one is not taken; returns why."""
    while True:
        future = opened.submit(change(text=f"a: {time.monotonic_ns()}\n"))
        opened.flush()
        if (error := future.exception(0)) is not None:
            return error
        published.append(future.result(0).commit)
