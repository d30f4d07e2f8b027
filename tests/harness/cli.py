"""The installed `kilter`, driven as a user drives it: by its command line, in a HOME of its own."""

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 420  # seconds for one command; the slowest is a first `up` on a cold machine


@dataclass(frozen=True)
class Result:
    """What one command printed and how it ended."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass
class Kilter:
    """Runs the installed kilter for one project's directory."""

    directory: Path
    home: Path
    binary: Path = field(default_factory=lambda: Path(os.environ["KILTER_BINARY"]))
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The user's environment: that of the test run, with a HOME of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "KUBE"))}
        return kept | {"HOME": str(self.home), "NO_COLOR": "1"} | self.extra

    def run(self, *arguments: str, code: int | None = 0, stdin: str | None = None) -> Result:
        """Run a command and check its exit code (None accepts any)."""
        began = time.monotonic()
        child = self.start(*arguments, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        try:
            out, err = child.communicate(stdin, LIMIT)
        except BaseException:
            end(child)
            raise
        result = Result(child.returncode, out, err, time.monotonic() - began)
        if code is not None:
            shown = (
                f"kilter {' '.join(arguments)} ended with {result.code}\n--- out\n{result.out}\n--- err\n{result.err}"
            )
            assert result.code == code, shown
        return result

    def json(self, *arguments: str) -> Any:
        """Run a reading command with --json and return the document."""
        return json.loads(self.run(*arguments, "--json").out)

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        """Start a command and return at once."""
        return subprocess.Popen(
            [str(self.binary), *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def localhost(self) -> dict[str, str]:
        """Return the localhost addresses of `kilter env` by variable."""
        lines = self.run("env", "--localhost").out.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def end(child: "subprocess.Popen[Any]") -> None:
    """Ask a kilter to end, so that it ends what it has started; kill it when it does not.

    What it still prints is read: a full pipe would hold it up, and an open one outlives it.
    """
    child.terminate()
    try:
        child.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()


def docker(*arguments: str, code: int | None = 0) -> str:
    """Run the docker CLI and return what it printed."""
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert code is None or ended.returncode == code, ended.stderr
    return ended.stdout


def forget_images(repository: str) -> None:
    """Take the names of a repository off Docker's images, tags and digests; what nothing else names goes."""
    found = docker("image", "ls", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}", repository)
    for name, tag, digest in (line.split() for line in found.splitlines()):
        for end in (f":{tag}", f"@{digest}"):
            docker("image", "rm", f"{name}{end}", code=None)
