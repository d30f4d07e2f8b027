"""What to write so that the branch says what is wanted: the branch's files and a change in, edits out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kilter.gitops.layout import APPS, CLUSTERS, RECEIPT, Laid, blob_id, parse_receipt, points_at
from kilter.gitops.model import Refused
from kilter.tools.git import REGULAR, Edit, Entry, plain

DEPTH = 4  # apps/<org>/<app>/<env>


class Tree:
    """Every file of a commit, found by path and by the env's folder it lies in."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)
        self._folders: dict[str, set[str]] = {}
        for path in entries:
            self._folders.setdefault(_folder(path), set()).add(path)

    def __getitem__(self, path: str) -> Entry | None:
        return self._entries.get(path)

    def __len__(self) -> int:
        return len(self._entries)

    def paths(self) -> Iterable[str]:
        """Return every path."""
        return self._entries.keys()

    def inside(self, folder: str) -> set[str]:
        """Return the paths of all files in an env's folder, at any depth."""
        return self._folders.get(folder, set())

    def folders(self) -> list[str]:
        """Return the folders of all envs."""
        return sorted(folder for folder, paths in self._folders.items() if folder.startswith(f"{APPS}/") and paths)

    def update(self, changes: Mapping[str, Entry | None]) -> None:
        """Follow the branch: each path is now this entry, or gone."""
        for path, entry in changes.items():
            paths = self._folders.setdefault(_folder(path), set())
            if entry is None:
                self._entries.pop(path, None)
                paths.discard(path)
            else:
                self._entries[path] = entry
                paths.add(path)

    def write(self, edits: Iterable[Edit]) -> None:
        """Follow a commit of one's own."""
        self.update({edit.path: None if edit.text is None else Entry(REGULAR, blob_id(edit.text)) for edit in edits})


@dataclass(frozen=True)
class Plan:
    """The edits that one change needs; none when the branch is as wanted. The rest as in a Receipt."""

    edits: tuple[Edit, ...]
    overwritten: tuple[str, ...]
    foreign: tuple[str, ...]


def needed(laid: Laid, tree: Tree) -> list[str]:
    """Return the ids of the contents that `plan` must see: the list of what kilter wrote, and the env's pointer."""
    entries = [tree[path] for path in (laid.receipt, laid.pointer)]
    return [entry.id for entry in entries if entry]


def plan(laid: Laid, tree: Tree, contents: Mapping[str, bytes]) -> Plan:
    """Compare the branch with what is wanted of one env.

    Raises Refused when a foreign file stands where kilter has to write.
    """
    owned = {
        path: identifier
        for path, identifier in _owned(laid.folder, tree, contents).items()
        if path == laid.pointer or path.startswith(f"{laid.folder}/")
    }
    _refuse_foreign(laid, tree, owned, contents)
    edits = [Edit(path, text) for path, text in laid.files.items() if not _is(tree, path, blob_id(text))]
    gone = [path for path in (*owned, laid.receipt) if path not in laid.files and tree[path]]
    if not laid.files and laid.pointer not in owned and tree[laid.pointer]:
        gone.append(
            laid.pointer
        )  # the list of what kilter wrote is lost; without its pointer the env ends all the same
    edits += [Edit(path, None) for path in gone]
    known = {*owned, *laid.files, laid.receipt, *gone}
    return Plan(
        tuple(sorted(edits, key=lambda edit: edit.path)),
        tuple(sorted(path for path in known if _touched(laid, path, tree, owned))),
        tuple(sorted(tree.inside(laid.folder) - known)),
    )


def drift(folder: str, tree: Tree, contents: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the paths of one env that others edited, deleted or added since kilter wrote it (F32)."""
    receipt = f"{folder}/{RECEIPT}"
    owned = _owned(folder, tree, contents)
    edited = {path for path, identifier in owned.items() if not _is(tree, path, identifier)}
    return tuple(sorted(edited | (tree.inside(folder) - {*owned, receipt})))


def _owned(folder: str, tree: Tree, contents: Mapping[str, bytes]) -> dict[str, str]:
    receipt = tree[f"{folder}/{RECEIPT}"]
    return parse_receipt(contents.get(receipt.id, b""), folder) if receipt else {}


def _touched(laid: Laid, path: str, tree: Tree, owned: Mapping[str, str]) -> bool:
    """Tell whether somebody else made this path differ from what kilter last wrote, in a way that the change undoes."""
    wanted = blob_id(laid.files[path]) if path in laid.files else None
    if path == laid.receipt or (wanted is not None and _is(tree, path, wanted)):
        return False
    if path in owned:
        return not _is(tree, path, owned[path]) and (tree[path] is not None or wanted is not None)
    return tree[path] is not None


def _is(tree: Tree, path: str, identifier: str) -> bool:
    return tree[path] == Entry(REGULAR, identifier)


def _refuse_foreign(laid: Laid, tree: Tree, owned: Mapping[str, str], contents: Mapping[str, bytes]) -> None:
    pointer = tree[laid.pointer]
    if pointer and laid.pointer not in owned and not points_at(contents.get(pointer.id, b""), laid.change):
        raise Refused(
            f"{laid.change.label} cannot be written: {laid.pointer} belongs to another env, or to somebody else",
            hint="look at that file; kilter changes only its own",
        )
    above = [parent for path in (laid.folder, laid.pointer) for parent in _parents(path)]
    stands = [path for path in (*above, laid.folder) if tree[path]]
    beneath = [path for path in tree.inside(laid.folder) if not laid.files.keys().isdisjoint(_parents(path))]
    if blocking := [*stands, *beneath, *tree.inside(laid.pointer)]:
        raise Refused(
            f"{laid.change.label} cannot be written: {plain(min(blocking))} stands in the way",
            hint="remove that file from the repository; kilter leaves what it did not write",
        )


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _folder(path: str) -> str:
    """Return the env's folder that a path lies in, empty for all others.

    What lies beneath `clusters/<cluster>/envs/<file>` is found the same way: a folder where kilter's file belongs.
    """
    parts = path.split("/", DEPTH)
    return "/".join(parts[:DEPTH]) if len(parts) > DEPTH and parts[0] in (APPS, CLUSTERS) else ""
