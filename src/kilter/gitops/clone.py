"""A bare clone that may be thrown away at any time: it holds nothing that the repository does not hold."""

import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from kilter.errors import Failed, NotFound
from kilter.gitops.model import Rewritten
from kilter.gitops.plan import Tree
from kilter.gitops.remote import HEAD, NAME, Remote
from kilter.proc import Command, Runner, failure
from kilter.tools import git
from kilter.tools.git import Draft, Edit, Git, Log

WORK = "refs/kilter/work"
AUTHOR = "kilter <kilter@localhost>"
LOG_LIMIT = 20  # commits by others that a receipt names
DEEPER = 64  # commits, at least, that are brought at a time of those from before the clone


@dataclass
class Clone:
    """One clone. `head` is the last known head of the branch, empty while the repository is; `tree` is its files.

    Methods raise the errors of the runner: whoever gets one throws the clone away and makes another.
    """

    runner: Runner
    remote: Remote
    folder: Path
    head: str = ""
    tree: Tree = field(default_factory=lambda: Tree({}))
    commits: int = 0  # made in this clone; each leaves loose objects
    _contents: dict[str, bytes] = field(default_factory=dict)

    def make(self, known: str) -> None:
        """Fill an empty folder; see `open_clone`."""
        self._run(self._git.init(self.remote.branch))
        heads = self._heads()
        found = heads.get(self.remote.branch, "")
        if not found:
            _refuse_missing(self.remote, heads, known)
            return
        if known and known != found:
            self._begin_at(known, found)
        self.fetch()
        if known == found != self.head:
            raise Failed(f"{self.remote.branch} moved while it was cloned")  # and who knows whether forward: once more

    def fetch(self) -> tuple[Log, ...]:
        """Learn the branch's head and files; returns the commits that came in, newest first, at most LOG_LIMIT.

        Raises Rewritten when the branch no longer contains the head that was known.
        """
        if not self.head:
            self._run(self._outside.fetch(NAME, depth=1))
            self._begin(self._run(self._git.resolve(HEAD)).strip())
            return ()
        # All history that came since is brought. Without a force flag git takes it only if it follows what was known.
        command = self._outside.fetch(NAME)
        fetched = self.runner.run(command)
        if fetched.code != 0:
            self._refuse_rewritten()
            raise failure(command, fetched)
        others = git.parse_log(self._run(self._git.log(self.head, HEAD, LOG_LIMIT)))
        if others:
            self.tree.update(git.parse_changes(self._run(self._git.changes(self.head, HEAD))))
            self.head = others[0].id
        return others

    def contains(self, commit: str) -> bool:
        """Tell whether a commit is part of the branch as it was last fetched."""
        return bool(self.head) and self.runner.run(self._git.follows(commit, self.head)).code == 0

    def has(self, commit: str) -> bool:
        """Tell whether a commit is here."""
        return git.is_id(commit) and self.runner.run(self._git.has(commit)).code == 0

    def follows(self, commit: str, later: str) -> bool:
        """Tell whether a commit that is here is part of another one that is here."""
        return self.runner.run(self._git.follows(commit, later)).code == 0

    def deepen(self) -> bool:
        """Bring as many older commits again as are here; False when there are none any more."""
        count = self._git.count(self.head)
        known = int(self._run(count))
        command = self._outside.fetch(NAME, self.head, deepen=max(known, DEEPER))
        fetched = self.runner.run(command)
        if fetched.code != 0:
            raise failure(command, fetched)
        return int(self._run(count)) > known

    def read(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of files by their ids; what is not there is left out."""
        wanted = set(ids)
        if unknown := sorted(wanted - self._contents.keys()):
            with self.runner.pipe(self._git.contents()) as pipe:
                pipe.stdin.writelines(git.ids(unknown))
                pipe.stdin.close()
                self._contents |= git.parse_contents(pipe.stdout.read())
        return {identifier: self._contents[identifier] for identifier in wanted if identifier in self._contents}

    def commit(self, edits: Sequence[Edit], message: str) -> str:
        """Make a commit on the known head and return its id; nobody else sees it yet."""
        draft = Draft(self.head, message, AUTHOR, int(time.time()), tuple(edits))
        self.commits += 1
        return self._run(self._git.commit(draft, WORK)).strip()

    def push(self, commit: str, edits: Sequence[Edit]) -> str:
        """Offer a commit of these edits; returns an empty text when it is the new head, else why it is not."""
        outcome = self.runner.run(self._outside.push(NAME, commit, self.remote.branch))
        if refusal := git.parse_push(outcome.stdout, outcome.stderr):
            return refusal
        self.head = commit
        self.tree.write(edits)
        return ""

    def at(self, commit: str, folder: str) -> dict[str, bytes]:
        """Return the files directly in a folder as an older commit has them: name → bytes."""
        if self.runner.run(self._git.has(commit)).code != 0:
            self._run(self._outside.fetch(NAME, commit, depth=1))
        entries = git.parse_files(self._run(self._git.files(commit, f"{folder}/")))
        contents = self.read(entry.id for entry in entries.values() if entry.mode == git.REGULAR)
        names = {path.removeprefix(f"{folder}/"): entry.id for path, entry in entries.items()}
        return {name: contents[identifier] for name, identifier in names.items() if identifier in contents}

    def discard(self) -> None:
        """Remove the clone from the disk."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _git(self) -> Git:
        return Git(self.folder)

    @property
    def _outside(self) -> Git:
        return Git(self.folder, self.remote.settings())

    def _run(self, command: Command) -> str:
        return self.runner.run(command).stdout

    def _begin_at(self, known: str, found: str) -> None:
        """Begin with a head that was known; where it cannot be had alone, all history tells whether it is part of it.

        Some servers give out the heads of branches alone, and none what it has thrown away.
        """
        command = self._outside.fetch(NAME, f"{known}:{HEAD}", depth=1)
        if self.runner.run(replace(command, ok=(0, 1, 128))).code == 0:
            self._begin(known)
            return
        self._run(self._outside.fetch(NAME))
        if not self.has(known):
            raise rewritten(self.remote, known, found)
        self._begin(self._run(self._git.resolve(HEAD)).strip())

    def _begin(self, head: str) -> None:
        self.tree = Tree(git.parse_files(self._run(self._git.files(head))))
        self.head = head

    def _refuse_rewritten(self) -> None:
        found = self._heads().get(self.remote.branch, "")
        if not found or self.runner.run(self._git.follows(self.head, found)).code == 1:
            raise rewritten(self.remote, self.head, found)

    def _heads(self) -> dict[str, str]:
        return git.parse_heads(self._run(self._outside.heads(NAME)))


def open_clone(runner: Runner, remote: Remote, parent: Path, known: str) -> Clone:
    """Make a clone of the branch in a new folder of `parent`.

    `known` is a head that the branch had, empty for none. Raises Rewritten when the branch does not contain it any
    more, NotFound when the repository has other branches but not this one.
    """
    clone = Clone(runner, remote, Path(tempfile.mkdtemp(prefix="clone-", dir=parent)))
    try:
        clone.make(known)
    except BaseException:
        clone.discard()
        raise
    return clone


def rewritten(remote: Remote, known: str, found: str) -> Rewritten:
    """Build the error of a branch that lost commits."""
    return Rewritten(
        f"the history of {remote.branch} was rewritten: {known[:12]} is no longer part of it",
        why=f"its head is {found[:12] or 'gone'}; kilter never rewrites, so somebody else did",
        hint="bring the lost commits back, or restart the operator to go on from what is there now",
    )


def _refuse_missing(remote: Remote, heads: Iterable[str], known: str) -> None:
    if known:
        raise rewritten(remote, known, "")
    if names := ", ".join(git.plain(name) for name in sorted(heads)[:5]):
        raise NotFound(
            f"the repository has no branch {remote.branch}",
            why=f"it has {names}",
            hint="name the right branch, or create this one",
        )
