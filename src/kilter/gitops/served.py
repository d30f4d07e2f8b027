"""The repository that the platform serves: how git is to treat it, who may use it, and how much of it at a time."""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kilter.errors import KilterError
from kilter.gitops.tokens import TokenFile
from kilter.proc import Runner
from kilter.tools.git import Git, plain

LOG = logging.getLogger("kilter.gitops.service")
MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Connections and git processes at a time; bytes of a request; seconds."""

    connections: int = 64
    processes: int = 8
    body: int = 64 * MIB
    wait: float = 15.0  # for one of the processes to be free
    silence: float = 15.0  # of a client, within a request or between two
    request: float = 300.0
    upkeep: float = 3600.0  # between two looks at whether the repository wants packing


@dataclass(frozen=True)
class Served:
    """What is served, to whom, within which limits."""

    repository: Path  # its last part is the first of the address: `/flux.git`
    tokens: TokenFile
    runner: Runner
    limits: Limits = field(default_factory=Limits)

    @property
    def git(self) -> Git:
        """Git by the server's rules: history only grows, pushes are checked, and on the disk once they are taken."""
        rules = {
            "core.bigFileThreshold": "1m",  # larger files pass through without being held in memory
            "core.fsync": "all",
            "http.receivepack": "true",
            "http.getanyfile": "false",
            "receive.autogc": "false",
            "receive.denyDeletes": "true",
            "receive.denyNonFastForwards": "true",
            "receive.fsckObjects": "true",
            "receive.maxInputSize": str(self.limits.body),
            # Volumes often belong to another user. Some versions of git compare `.` here, so the path itself would not
            # do; this git can reach no other repository, and runs no hooks.
            "safe.directory": "*",
            "uploadpack.allowReachableSHA1InWant": "true",
        }
        return Git(self.repository, rules)

    def prepare(self, branch: str = "main") -> None:
        """Make the repository, or complete one whose making was cut off; nothing in one that is there changes."""
        self.repository.mkdir(parents=True, exist_ok=True)
        self.runner.run(self.git.init(branch))
        self.unlock()

    def unlock(self) -> None:
        """Remove the locks of pushes that were killed; each would keep its branch from every further commit.

        A lock is nobody's once it is older than any request may get, though another server of the volume still ends.
        """
        oldest = time.time() - 2 * self.limits.request
        for lock in (*self.repository.glob("*.lock"), *(self.repository / "refs").rglob("*.lock")):
            with suppress(OSError):  # whose push has ended meanwhile
                if lock.stat().st_mtime < oldest:
                    lock.unlink()
                    LOG.warning("removed %s, which a push that was killed had left", lock.relative_to(self.repository))

    def upkeep(self) -> None:
        """Pack what many pushes left; what cannot be packed now will be another time."""
        packing = Git(self.repository, {**self.git.settings, "gc.auto": "6700", "gc.autoDetach": "false"})
        try:
            self.runner.run(packing.collect())
        except KilterError as error:
            LOG.warning("the repository could not be packed: %s", plain(error.what))
