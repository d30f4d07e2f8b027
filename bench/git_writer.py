"""How fast pending apps get into Git: all in one commit, against a clone, a commit and a push for each of them.

All write to one repository with two hundred envs, through kilter's own Git server on this machine. The rival with a
work tree is what tools do that know of one app only; the other is this very writer with a commit per app, so that the
gain of gathering shows by itself. Needs no container engine: `python -m bench.git_writer` measures this alone.
"""

import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.alone import alone
from bench.measure import Goal, Row, Sample, interleave
from bench.process import run as run_process
from bench.run import Run
from kilter.gitops.flux import Flux
from kilter.gitops.http_server import Server
from kilter.gitops.layout import lay_out
from kilter.gitops.model import Change, Fence, Result
from kilter.gitops.remote import Remote
from kilter.gitops.served import Served
from kilter.gitops.service import serving
from kilter.gitops.tokens import Right, TokenFile, line
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner

ENVS = 200  # in the repository before anything is measured
ROUNDS: Mapping[int, int] = {1: 7, 10: 3, 100: 1}  # pending apps → rounds
LIMITS: Mapping[int, float] = {1: 2.0, 10: 10.0, 100: 10.0}  # pending apps → seconds until all are in Git, at most
KINDS = ("deployment", "service", "httproute", "networkpolicy", "poddisruptionbudget")
EACH, ONE_BY_ONE = "clone, commit, push each", "a commit each"


@dataclass
class Bed:
    """A served repository, the writer to be measured, and everything that its rival needs."""

    folder: Path
    url: str
    token: str
    writer: Writer
    count: int = field(default=0)  # of texts that there have been: each is new

    def batched(self, apps: int, batch: int) -> float:
        """Publish a change of so many apps through the writer, so many in a commit; returns the seconds it took."""
        changes = [self.change(number) for number in range(apps)]
        futures = []
        began = time.monotonic()
        for start in range(0, apps, batch):
            futures += [self.writer.submit(change) for change in changes[start : start + batch]]
            self.writer.flush()
        if {future.result().result for future in futures} != {Result.PUBLISHED}:
            raise RuntimeError("a change was not published")
        return time.monotonic() - began

    def each(self, apps: int) -> float:
        """Publish the same by hand, app after app, as a tool does that knows of one app only."""
        changes = [self.change(number) for number in range(apps)]
        began = time.monotonic()
        for change in changes:
            self._by_hand(change)
        return time.monotonic() - began

    def change(self, number: int) -> Change:
        """Return a deploy of an app that is there already, with files that never were before."""
        self.count += 1
        return change(number, self.count)

    def _by_hand(self, wanted: Change) -> None:
        work = self.folder / "by-hand"
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {self.token}",
            "GIT_CONFIG_KEY_1": "user.name",
            "GIT_CONFIG_VALUE_1": "bench",
            "GIT_CONFIG_KEY_2": "user.email",
            "GIT_CONFIG_VALUE_2": "bench@localhost",
        }
        run_process(["git", "clone", "--quiet", "--depth=1", self.url, work], environment)
        for path, text in lay_out(wanted, Flux()).files.items():
            (work / path).write_text(text)
        run_process(["git", "add", "--all"], environment, cwd=work)
        run_process(["git", "commit", "--quiet", "-m", f"Deploy {wanted.label}"], environment, cwd=work)
        run_process(["git", "push", "--quiet", "origin", "HEAD:main"], environment, cwd=work)
        shutil.rmtree(work)


def change(number: int, version: int) -> Change:
    """Return version so-and-so of one of the envs: five manifests of some hundred bytes."""
    app = f"app-{number}"
    note = "an ordinary manifest has some hundred bytes of this kind. " * 10
    files = {
        f"{kind}-{app}.yaml": f"kind: {kind}\nmetadata: {{name: {app}}}\nrelease: {version}\nnote: {note}\n"
        for kind in KINDS
    }
    return Change("acme", app, "prod", f"acme-{app}-prod", files, {}, f"d-{version}", "bench", version)


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """Serve a repository with so many envs while the block runs."""
    token = secrets.token_hex(24)
    (folder / "tokens").write_text(line(Right.WRITE, token))
    (folder / "token").write_text(token)
    served = Served(folder / "flux.git", TokenFile(folder / "tokens"), SubprocessRunner({"PATH": os.environ["PATH"]}))
    served.prepare()
    server = Server(("127.0.0.1", 0), served)
    with serving(server):
        url = f"http://127.0.0.1:{server.server_port}/flux.git"
        writer = Writer(SubprocessRunner(), Remote(url, token=folder / "token"), folder / "writer", Fence(1, "bench"))
        writer.open()
        for number in range(ENVS):
            writer.submit(change(number, 0))
        while writer.flush():
            pass
        try:
            yield Bed(folder, url, token, writer)
        finally:
            writer.close()


def compare(folder: Path, wanted: int | None) -> Sequence[Row]:
    """Measure both ways, for each number of pending apps, in turn; `wanted` overrides the rounds."""
    rows = []
    with bed(folder) as made:
        for apps, rounds in ROUNDS.items():
            subjects: dict[str, Callable[[], float]] = {"": partial(made.batched, apps, apps)}
            if apps > 1:
                subjects[ONE_BY_ONE] = partial(made.batched, apps, 1)
            subjects[EACH] = partial(made.each, apps)
            samples = interleave(wanted or rounds, subjects)
            rows += [row(apps, samples[""], rival, sample) for rival, sample in samples.items() if rival]
    return rows


def row(apps: int, sample: Sample, rival: str, base: Sample) -> Row:
    """Return one line of the table; a ratio of hundreds needs its words."""
    what = f"{apps} pending app{'s' if apps > 1 else ''}"
    note = f"{base.median / sample.median:.0f} times as fast as {rival}"
    return Row("git-writer", what, sample, rival, base, Goal(LIMITS[apps], "value"), (note,))


def measure(run: Run) -> Sequence[Row]:
    """See `compare`."""
    folder = run.shop.base / "git-writer"
    folder.mkdir()
    try:
        return compare(folder, run.wanted)
    finally:
        shutil.rmtree(folder)


def main(arguments: Sequence[str]) -> int:
    """Measure this alone, print the table and write the JSON; the only argument is a number of rounds."""
    return alone("git-writer", lambda folder: compare(folder, int(arguments[0]) if arguments else None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
