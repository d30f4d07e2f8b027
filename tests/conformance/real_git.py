"""A real flux repository behind kilter's own Git service, a process; the played Flux reads the folder itself."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from harness.repository import READER, WRITER, Repository, git

from kilter.gitops.tokens import Right, line

from .apiserver import free_port

LISTED = "kustomization.yaml"


@dataclass
class ServedGit(Repository):
    """The repository, and where the service has it."""

    url_served: str
    token: Path
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)  # by head

    def state(self) -> dict[str, Any]:
        """Return history and what Flux would apply, as the played Flux wants it: by folder, by file."""
        head = git("for-each-ref", "--format=%(objectname)", "refs/heads/main", cwd=self.path).strip()
        if head not in self._known:
            self._known = {head: self._read() if head else {"history": [], "tree": {}}}
        return self._known[head]

    def _read(self) -> dict[str, Any]:
        history = git("rev-list", "--reverse", "main", cwd=self.path).split()
        files = self.files()
        tree: dict[str, dict[str, str]] = {}
        for path, text in files.items():
            folder, _, name = path.rpartition("/")
            if name == LISTED and folder.startswith("apps/"):
                tree[folder] = {each: files[f"{folder}/{each}"] for each in yaml.safe_load(text)["resources"]}
        return {"history": history, "tree": tree}

    def everything(self) -> str:
        """Return every change and every message that the repository has ever had."""
        return git("log", "--patch", "--all", "--format=%B", cwd=self.path)


@contextmanager
def served_git(folder: Path) -> Iterator[ServedGit]:
    """Serve a fresh repository until the block ends."""
    tokens, token, port = folder / "tokens", folder / "write-token", free_port()
    tokens.write_text(line(Right.READ, READER) + line(Right.WRITE, WRITER))
    token.write_text(WRITER)
    words = ["--repository", str(folder / "flux.git"), "--tokens", str(tokens), "--listen", f"127.0.0.1:{port}"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = [sys.executable, "-m", "kilter.gitops.service", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        try:
            assert child.stderr is not None
            assert "serving" in child.stderr.readline()
            yield ServedGit(folder / "flux.git", f"http://127.0.0.1:{port}/flux.git", token)
        finally:
            child.terminate()
