"""The rendered tree on disk: swapped in whole, by one rename.

A new tree is built beside `~/.cache/kilter/<project>` (unchanged files are hard links, so they keep their time stamps)
and then the two folders exchange their names: a reader sees the old tree or the new one, never a mixture, and a killed
render leaves only a tree that the next one removes. See docs/decisions/0002.
"""

import ctypes
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kilter.errors import BadInput
from kilter.state.files import NO_LINKS, refused, remove_folder

RECEIPT = ".rendered.json"
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # renameat2(2), linux/fs.h
KEPT = ("kubeconfig",)  # in the same folder by NS-11, but not rendered
DATA = ("record.json", "volumes", "snapshots")  # what a project's data folder has, and its cache folder never


def read(folder: Path) -> dict[str, str]:
    """Return the files of the tree as they are on disk (relative path to text); empty when there is no tree."""
    found = (name for name in _receipt(folder) if (folder / name).is_file())
    return {name: (folder / name).read_text(encoding="utf-8", errors="replace") for name in found}


def legible(folder: Path) -> dict[str, str]:
    """Return what `read` does, but for manifests that somebody edited into what is no list of objects any more."""
    files = read(folder)
    faulty = illegible(folder, files)
    return {name: text for name, text in files.items() if name not in faulty}


def illegible(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return the edited files of the tree `files` that cannot be understood any more."""
    from kilter.render.tree import workloads  # start-up: `destroy` and `down` look into no tree

    found = []
    for name in edited(folder, files):
        try:
            workloads({name: files.get(name, "")})
        except (BadInput, KeyError, TypeError, AttributeError):
            found.append(name)
    return found


def version(folder: Path) -> str:
    """Return what tells this tree from every other that was, or will be, in its place; empty when there is none."""
    try:
        receipt = (folder / RECEIPT).stat()
    except OSError:
        return ""
    return f"{receipt.st_ino}-{receipt.st_mtime_ns}"


def edited(folder: Path, files: Mapping[str, str] | None = None) -> list[str]:
    """Return the files that somebody changed or removed since they were rendered (CT-Q27).

    `files` are those of the tree, where they were read already.
    """
    on_disk = read(folder) if files is None else files
    return sorted(name for name, digest in _receipt(folder).items() if _digest(on_disk.get(name, "")) != digest)


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Swap in a new tree and return the names that were added, changed or removed; nothing is touched if none were.

    `folder` is the project's cache folder. Raises MachineLacks when the cache cannot be written, and as `refuse_data`.
    """
    refuse_data(folder)
    try:
        return _write(folder, files)
    except OSError as error:
        raise refused(f"cannot render into {folder}", Path(error.filename or folder), error) from error


def remove(folder: Path) -> None:
    """Remove the tree, and what killed renders left.

    Raises Failed when something of it cannot be deleted, and as `refuse_data`.
    """
    refuse_data(folder)
    remove_folder(folder)
    _forget_old_trees(folder)


def refuse_data(folder: Path) -> None:
    """Raise BadInput for a folder that holds a project's data, which a new tree would take the place of."""
    if found := [name for name in DATA if (folder / name).exists()]:
        raise BadInput(
            f"the cache folder {folder} is a project's data folder",
            why=f"it holds {', '.join(found)}; what is cached is replaced and removed whole",
            hint="let XDG_CACHE_HOME name another folder than the data lies in",
        )


def _write(folder: Path, files: Mapping[str, str]) -> list[str]:
    old = read(folder)
    changed = sorted(name for name in old.keys() | files.keys() if old.get(name) != files.get(name))
    if not changed and (folder / RECEIPT).is_file():
        return []
    content = json.dumps({name: _digest(text) for name, text in sorted(files.items())}, indent=1)
    trees = folder.parent / ".trees"
    tree = trees / f"{folder.name}-{_digest(content)[:12]}-{os.getpid()}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True, mode=0o700)
    for name, text in files.items():
        _place(tree / name, folder / name, text, unchanged=old.get(name) == text)
    for name in KEPT:
        if (folder / name).is_file():
            _keep(folder / name, tree / name)
    (tree / RECEIPT).write_text(content, encoding="utf-8")
    _swap(folder, tree)
    return changed


def _place(target: Path, previous: Path, text: str, *, unchanged: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if unchanged:
        _keep(previous, target)
    else:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)


def _keep(file: Path, target: Path) -> None:
    """Give a file a second name, and its copy, time stamp included, where hard links are not possible."""
    try:
        os.link(file, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        shutil.copy2(file, target)


def _swap(folder: Path, tree: Path) -> None:
    """Put the new tree in the folder's place; Tilt and others hold its path, so the path itself must stay real."""
    if not folder.is_dir():
        tree.rename(folder)
    elif not _exchange(tree, folder):
        # Not Linux: for a moment there is no folder. Who was killed here finds none and renders it anew.
        folder.rename(tree.with_name(f"{tree.name}-old"))
        tree.rename(folder)
    _forget_old_trees(folder)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths exchange what they name, in one step; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    names = (os.fsencode(one), os.fsencode(other))
    return bool(rename(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)


def _forget_old_trees(folder: Path) -> None:
    for tree in (folder.parent / ".trees").glob(f"{folder.name}-*"):
        owner = tree.name.removeprefix(f"{folder.name}-").removesuffix("-old")
        if owner.count("-") == 1:  # another project's name may begin with this one's
            shutil.rmtree(tree, ignore_errors=True)


def _receipt(folder: Path) -> dict[str, str]:
    """Return what was rendered, a digest for each name; nothing where the receipt is not as it was written."""
    try:
        receipt = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(receipt, dict) or not all(isinstance(digest, str) for digest in receipt.values()):
        return {}
    return receipt if all(_within(name) for name in receipt) else {}


def _within(name: str) -> bool:
    return "\0" not in name and not {"", "..", "."}.intersection(name.split("/"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
