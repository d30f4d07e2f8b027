"""Real git for tests: a bare repository, people who write to it by hand, a runner that meddles, and a server."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kilter.gitops.http_server import Server
from kilter.gitops.model import Change, Fence
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import Command, Outcome, SubprocessRunner

FENCE = Fence(1, "operator-a")
READER, WRITER = "canary-reader-0123456789", "canary-writer-0123456789"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


def git(*words: str | Path, cwd: Path | None = None, ok: bool = True, env: Mapping[str, str] | None = None) -> str:
    """Run git as a person would and return what it printed."""
    done = subprocess.run(
        ["git", *words],
        cwd=cwd,
        env=ENVIRONMENT | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not ok or done.returncode == 0, done.stderr
    return done.stdout if ok else f"{done.returncode} {done.stderr}"


@dataclass
class Repository:
    """A bare repository on the disk, looked at and changed from outside of kilter."""

    path: Path

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def commits(self) -> list[str]:
        """Every commit of the branch, newest first."""
        return git("rev-list", "main", cwd=self.path).split()

    def files(self) -> dict[str, str]:
        """Every file of the branch, all of one commit however the branch moves meanwhile."""
        commit = git("rev-parse", "main", cwd=self.path).strip()
        listed = git("ls-tree", "-r", "-z", "--name-only", commit, cwd=self.path).split("\0")[:-1]
        return {path: git("cat-file", "blob", f"{commit}:{path}", cwd=self.path) for path in listed}

    def names(self, prefix: str = "") -> list[str]:
        listed = git("ls-tree", "-r", "-z", "--name-only", "main", cwd=self.path).split("\0")[:-1]
        return [path for path in listed if path.startswith(prefix)]

    def message(self, commit: str = "main") -> str:
        return git("log", "-1", "--format=%B", commit, cwd=self.path)

    def by_hand(self, files: Mapping[str, str | None], subject: str = "by hand") -> str:
        """Commit on the branch's head as somebody else would; None deletes a file."""
        work = self.path.parent / f"by-hand-{threading.get_ident()}"
        if not work.exists():
            git("clone", "--quiet", self.url, work)
        git("fetch", "--quiet", "origin", cwd=work)
        git("checkout", "--quiet", "--force", "-B", "main", "origin/main", cwd=work)
        for name, text in files.items():
            file = work / name
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        git("add", "--all", cwd=work)
        git("commit", "--quiet", "-m", subject, cwd=work)
        git("push", "--quiet", "origin", "main", cwd=work)
        return git("rev-parse", "HEAD", cwd=work).strip()

    def begin(self, files: Mapping[str, str]) -> None:
        """Make the first commit of the branch, as somebody else would."""
        work = self.path.parent / "begun"
        git("clone", "--quiet", self.url, work)
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        git("add", "--all", cwd=work)
        git("commit", "--quiet", "-m", "One", cwd=work)
        git("push", "--quiet", "origin", "HEAD:main", cwd=work)

    def is_sound(self) -> bool:
        return "error" not in git("fsck", "--strict", "--full", cwd=self.path)


@dataclass
class Meddling:
    """A runner that lets a test act just before or after a git command of some kind."""

    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)
    seen: list[tuple[str, ...]] = field(default_factory=list)
    real: SubprocessRunner = field(default_factory=lambda: SubprocessRunner({"PATH": os.environ["PATH"]}))

    def run(self, command: Command) -> Outcome:
        self.seen.append(command.argv)
        verbs = set(command.argv)
        for verb, act in list(self.before.items()):
            if verb in verbs:
                act()
        outcome = self.real.run(command)
        for verb, act in list(self.after.items()):
            if verb in verbs:
                act()
        return outcome

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)

    def pushes(self) -> int:
        return sum("push" in argv for argv in self.seen)


Open = Callable[..., Writer]


def change(app: str = "shop", text: str = "a: 1\n", *, env: str = "prod", **more: object) -> Change:
    """A deploy of one file with this text; `files=None` removes the env."""
    made = Change("acme", app, env, f"acme-{app}-{env}", {"configmap-a.yaml": text}, {}, "d-1", "ann", 1)
    return replace(made, **more)  # type: ignore[arg-type]


@dataclass
class Serving:
    """A running server of the repository, and how to reach it."""

    server: Server
    tokens: Path
    folder: Path

    @property
    def port(self) -> int:
        return self.server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/flux.git"

    def remote(self, token: str = WRITER) -> Remote:
        file = self.folder / f"token-{token[:16]}"
        file.write_text(token + "\n")
        return Remote(self.url, token=file)

    def git(self, token: str, *words: str | Path, ok: bool = True) -> str:
        """Run git as a person with a token would; the token is given by the environment."""
        header = {
            "GIT_CONFIG_COUNT": "1" if token else "0",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
        }
        return git(*words, ok=ok, env=header)
