"""Commands for git on bare repositories. Nothing of the machine's or the user's settings plays a part in them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kilter.proc import Command, Secret

REGULAR = "100644"  # the mode of a plain file; symbolic links, submodules and executable files have others
SUBJECT_SHOWN = 120
_OBJECT = re.compile(r"[0-9a-f]{40}\Z")
# What git would take from the environment of whoever started kilter: other repositories, programs, other authorities to
# trust than those it is told of, traces with secrets.
_REMOVED = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_ATTR_SOURCE", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR",
    "GIT_CONFIG_PARAMETERS", "GIT_CURL_VERBOSE", "GIT_DIR", "GIT_EXEC_PATH", "GIT_INDEX_FILE", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_PROTOCOL", "GIT_PROXY_COMMAND", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE",
    "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_NO_VERIFY", "GIT_TEMPLATE_DIR",
    "GIT_TRACE", "GIT_TRACE2", "GIT_TRACE2_EVENT", "GIT_TRACE_CURL", "GIT_TRACE_PACKET", "GIT_TRACE_REDACT",
    "GIT_WORK_TREE", "SSH_ASKPASS", "XDG_CONFIG_HOME",
)  # fmt: skip
_ALWAYS: Mapping[str, str | Secret] = {
    "core.hooksPath": "/dev/null",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "http.followRedirects": "false",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "push.recurseSubmodules": "no",
    "transfer.credentialsInUrl": "die",
}


@dataclass(frozen=True)
class Entry:
    """One file of a commit: its mode and the id of its content."""

    mode: str
    id: str


@dataclass(frozen=True)
class Edit:
    """One file to write into a commit; without a text, to leave out of it."""

    path: str
    text: str | None


@dataclass(frozen=True)
class Draft:
    """A commit to be made: on which other one (none for the first), what it says, who made it when, what it changes."""

    parent: str
    message: str
    author: str  # Name <address>
    seconds: int  # since 1970, UTC
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Log:
    """One line of history: the commit, who wrote it, and its first line, both cut and free of control characters."""

    id: str
    author: str
    subject: str


@dataclass(frozen=True)
class Git:
    """Builds the commands for one bare repository; `settings` are given to git on top of kilter's own."""

    folder: Path
    settings: Mapping[str, str | Secret] = field(default_factory=dict)

    def init(self, branch: str) -> Command:
        """Make the repository: no template, hence no hooks."""
        flags = ("--quiet", "--bare", "--template=", f"--initial-branch={branch}")
        return Command(("git", "init", *flags, "--", str(self.folder)), env=self.environment())

    def heads(self, remote: str) -> Command:
        """Ask a remote for all its branches."""
        return self._command("ls-remote", "--heads", "--quiet", "--", remote)

    def fetch(self, remote: str, *what: str, depth: int | None = None, deepen: int | None = None) -> Command:
        """Bring what the settings name, or a commit, from a remote; `deepen` brings so many older commits too.

        Exit code 1 says that a name here could not follow: the branch there was rewritten, or for another reason.
        """
        shallow = (f"--depth={depth}",) if depth else (f"--deepen={deepen}",) if deepen else ()
        flags = ("--quiet", "--no-tags", "--no-write-fetch-head", *shallow)
        return self._command("fetch", *flags, "--", remote, *what, ok=(0, 1), timeout=120)

    def resolve(self, name: str) -> Command:
        """Ask for the id of a commit by any of its names."""
        return self._command("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def has(self, commit: str) -> Command:
        """Ask whether a commit is here: exit code 0 for yes, any other for no."""
        return self._command("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128))

    def files(self, commit: str, path: str = "") -> Command:
        """List every file of a commit, or of a folder in it."""
        return self._command("ls-tree", "-r", "-z", "--full-tree", commit, "--", *((path,) if path else ()))

    def changes(self, old: str, new: str) -> Command:
        """List the files that differ between two commits."""
        return self._command("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new, "--")

    def contents(self) -> Command:
        """Print the contents of the objects whose ids stand in its input, each behind a line that tells its length."""
        return self._command("cat-file", "--batch")

    def follows(self, old: str, new: str) -> Command:
        """Ask whether a commit is contained in another: exit code 0 for yes, 1 for no, 128 if one is missing."""
        return self._command("merge-base", "--is-ancestor", old, new, ok=(0, 1, 128))

    def count(self, head: str) -> Command:
        """Print how many commits a commit contains, of those that are here."""
        return self._command("rev-list", "--count", head, "--")

    def log(self, old: str, new: str, limit: int) -> Command:
        """List the newest commits that came between two, at most so many."""
        return self._command("log", "-z", f"--max-count={limit}", "--format=%H%x1f%an%x1f%s", f"{old}..{new}", "--")

    def commit(self, draft: Draft, ref: str) -> Command:
        """Make a commit under a scratch name of this repository and print its id; no work tree takes part."""
        # --force concerns the scratch name here, which may have pointed at a commit that was never accepted.
        return self._command("fast-import", "--quiet", "--force", stdin=stream(draft, ref))

    def push(self, remote: str, commit: str, branch: str) -> Command:
        """Offer a commit as the new head of a branch: taken only where it follows the head that is there.

        Without a force flag git sends the old head along, and the other side changes the branch only while it is true.
        """
        flags = ("--porcelain", "--no-verify", "--no-follow-tags")
        return self._command("push", *flags, "--", remote, f"{commit}:refs/heads/{branch}", ok=(0, 1), timeout=120)

    def collect(self) -> Command:
        """Pack what lies about, when enough does."""
        return self._command("gc", "--auto", "--quiet", timeout=1800)

    def http_backend(self, request: Mapping[str, str], timeout: float) -> Command:
        """Answer one request of the smart HTTP protocol: its head as CGI variables, its body as the input."""
        return Command(("git", "http-backend"), env=self.environment() | dict(request), timeout=timeout)

    def environment(self) -> dict[str, str | Secret | None]:
        """Return what git is to see: the settings, and neither files nor questions of the machine's user."""
        settings = {**_ALWAYS, **self.settings}
        numbered: dict[str, str | Secret | None] = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        own = {
            "GIT_ASKPASS": "",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": str(self.folder),  # curl looks for ~/.netrc there
            "LC_ALL": "C",
        }
        return {**dict.fromkeys(_REMOVED), **own, **numbered}

    def _command(
        self, *arguments: str, ok: tuple[int, ...] = (0,), stdin: str | None = None, timeout: float = 60
    ) -> Command:
        argv = ("git", f"--git-dir={self.folder}", *arguments)
        return Command(argv, env=self.environment(), ok=ok, stdin=stdin, timeout=timeout)


def stream(draft: Draft, ref: str) -> str:
    """Write a draft in the language of `git fast-import`, ending with the request to print the commit's id."""
    parts = [
        f"feature done\ncommit {ref}\nmark :1\ncommitter {draft.author} {draft.seconds} +0000\n",
        _data(draft.message),
        f"from {draft.parent}\n" if draft.parent else "",
    ]
    for edit in draft.edits:
        if '"' in edit.path or "\n" in edit.path:
            raise ValueError(f"not a path that kilter writes: {edit.path!r}")
        if edit.text is None:
            parts.append(f"D {edit.path}\n")
        else:
            parts.append(f"M {REGULAR} inline {edit.path}\n{_data(edit.text)}")
    return "".join([*parts, "\nget-mark :1\ndone\n"])


def parse_files(text: str) -> dict[str, Entry]:
    """Read the answer to `Git.files`: path → entry."""
    found = {}
    for line in text.split("\0")[:-1]:
        about, _, path = line.partition("\t")
        mode, _, identifier = about.split(" ")
        found[path] = Entry(mode, identifier)
    return found


def parse_changes(text: str) -> dict[str, Entry | None]:
    """Read the answer to `Git.changes`: path → what it is now, None where it is gone."""
    words = text.split("\0")
    found: dict[str, Entry | None] = {}
    for about, path in zip(words[::2], words[1::2], strict=False):
        _, mode, _, identifier, status = about.split(" ")
        found[path] = None if status == "D" else Entry(mode, identifier)
    return found


def parse_contents(data: bytes) -> dict[str, bytes]:
    """Read the answer to `Git.contents`: id → bytes; objects that are not there are left out."""
    found, position = {}, 0
    while position < len(data):
        end = data.index(b"\n", position)
        words = data[position:end].decode("ascii").split(" ")
        position = end + 1
        if words[-1] != "missing":
            size = int(words[2])
            found[words[0]] = data[position : position + size]
            position += size + 1
    return found


def parse_heads(text: str) -> dict[str, str]:
    """Read the answer to `Git.heads`: branch → commit."""
    lines = (line.split("\t") for line in text.splitlines())
    return {name.removeprefix("refs/heads/"): identifier for identifier, name in lines}


def parse_log(text: str) -> tuple[Log, ...]:
    """Read the answer to `Git.log`, newest first."""
    lines = (line.split("\x1f", 2) for line in text.split("\0") if line)
    return tuple(Log(identifier, plain(author), plain(subject)) for identifier, author, subject in lines)


def parse_push(text: str, beside: str = "") -> str:
    """Read the answer to `Git.push`: empty when the commit was taken, else the reason given.

    Why its rules forbid it, a server says `beside` that, on standard error.
    """
    for line in text.splitlines():
        if line.startswith("!"):
            said = (each.removeprefix("remote:").strip() for each in beside.splitlines() if each.startswith("remote:"))
            return ": ".join(filter(None, (plain(line.rpartition("\t")[2]), plain(" ".join(filter(None, said))))))
    return "" if "\nDone" in text else "the answer was cut off"


def is_id(text: str) -> bool:
    """Tell whether a text is the full id of a commit."""
    return _OBJECT.match(text) is not None


def plain(text: str) -> str:
    """Return somebody else's words without control characters and cut, fit for a log or a message."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:SUBJECT_SHOWN]


def ids(wanted: Iterable[str]) -> Iterator[bytes]:
    """Write the input of `Git.contents`."""
    return (identifier.encode("ascii") + b"\n" for identifier in wanted)


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
