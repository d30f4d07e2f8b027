"""What a stage's builder gets: its paths, its log, and a way to run programs into that log."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.environment import engine_environment, without_foreign
from testbed.home import Home
from testbed.running import RUNNING

RECIPES = Path(__file__).resolve().parent


class StageFailed(RuntimeError):
    """A program of a stage failed."""


@dataclass
class Work:
    """One stage at work."""

    home: Home
    name: str
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def log(self) -> Path:
        """The stage's log file."""
        return self.home.logs / f"{self.name}.log"

    def say(self, line: str) -> None:
        """One line into the log."""
        with self.log.open("a") as sink:
            sink.write(line + "\n")

    def run(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
        stdin: Path | None = None,
    ) -> None:
        """Run a program, output into the log; a failure names it."""
        words = [str(word) for word in command]
        self.say("$ " + " ".join(words))
        with self.log.open("ab") as sink, Path(stdin or os.devnull).open("rb") as source:
            variables = {**without_foreign(self.environment), **(extra or {})}
            status, _ = RUNNING.run(words, variables, cwd=cwd, stdin=source, stdout=sink, stderr=sink)
        if status:
            raise StageFailed(f"`{shorten(words)}` ended with status {status}")

    def read(self, *command: str | Path, cwd: Path | None = None, extra: Mapping[str, str] | None = None) -> str:
        """Run a program and return what it printed; its errors go into the log."""
        words = [str(word) for word in command]
        self.say("$ " + " ".join(words))
        with self.log.open("ab") as sink:
            variables = {**without_foreign(self.environment), **(extra or {})}
            status, told = RUNNING.run(words, variables, cwd=cwd, stdout=subprocess.PIPE, stderr=sink)
        if status:
            raise StageFailed(f"`{shorten(words)}` ended with status {status}")
        return told.decode()

    def docker(self, *words: str | Path, stdin: Path | None = None) -> None:
        """The testbed's own docker, whatever else is on this machine."""
        self.run("docker", *words, extra=engine_environment(self.home, self.environment), stdin=stdin)

    def docker_read(self, *words: str | Path) -> str:
        """The same, returning what it printed."""
        return self.read("docker", *words, extra=engine_environment(self.home, self.environment))


def shorten(words: Sequence[str]) -> str:
    """A command short enough for one line of a message."""
    line = " ".join(words)
    return line if len(line) <= 100 else line[:97] + "..."


def copy_into(source: Path, target: Path, mode: int | None = None) -> None:
    """Copy one file, folders made as needed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(source.stat().st_mode & 0o777 if mode is None else mode)


def plain_mode(mode: int, folder: bool = False) -> int:
    """The mode that a file, or a folder, has in an image, whatever the umask was when it was checked out or made."""
    return 0o755 if folder or mode & 0o100 else 0o644


def copy_recipe(source: Path, target: Path) -> None:
    """Copy a recipe's folder, into one that may be there already."""
    for path in sorted(source.rglob("*")):
        there = target / path.relative_to(source)
        if path.is_dir():
            if not there.is_dir():
                there.mkdir(parents=True)
                there.chmod(0o755)
        else:
            copy_into(path, there, plain_mode(path.stat().st_mode))
