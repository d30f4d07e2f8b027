"""The rendered tree on disk: swapped in whole, by one rename.

`~/.cache/kilter/<project>` is a symbolic link to a tree of its own, `~/.cache/kilter/.trees/<project>-<hash>`. A new
tree is built beside it (unchanged files are hard links, so they keep their time stamps) and the link is replaced by
rename: a reader sees the old tree or the new one, never a mixture, and a killed render leaves only a tree that the
next one removes. See docs/decisions/0002.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

RECEIPT = ".rendered.json"
KEPT = ("kubeconfig",)  # in the same folder by NS-11, but not rendered


def read(folder: Path) -> dict[str, str]:
    """Return the files of the tree as they are on disk (relative path to text); empty when there is no tree."""
    return {name: (folder / name).read_text(errors="replace") for name in _receipt(folder) if (folder / name).is_file()}


def edited(folder: Path) -> list[str]:
    """Return the files that somebody changed or removed since they were rendered (CT-Q27)."""
    on_disk = read(folder)
    return sorted(name for name, digest in _receipt(folder).items() if _digest(on_disk.get(name, "")) != digest)


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Swap in a new tree and return the names that were added, changed or removed; nothing is touched if none were.

    `folder` is the project's cache folder. Raises OSError when the cache cannot be written.
    """
    old = read(folder)
    changed = sorted(name for name in old.keys() | files.keys() if old.get(name) != files.get(name))
    if not changed and folder.is_symlink():
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
            os.link(folder / name, tree / name)
    (tree / RECEIPT).write_text(content)
    _swap(folder, tree)
    return changed


def ensure(folder: Path) -> None:
    """Make sure that the project's cache folder exists, so that a kubeconfig can be put there before any render."""
    if not folder.is_dir():
        write(folder, {})


def remove(folder: Path) -> None:
    """Remove the tree and the link to it."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
    _forget_old_trees(folder, keep=None)


def _place(target: Path, previous: Path, text: str, *, unchanged: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if unchanged:
        os.link(previous, target)
    else:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)


def _swap(folder: Path, tree: Path) -> None:
    link = folder.parent / f".{folder.name}.{os.getpid()}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(tree.relative_to(folder.parent))
    if folder.is_dir() and not folder.is_symlink():
        folder.rename(tree.parent / f"{folder.name}-moved-{os.getpid()}")
    link.replace(folder)
    _forget_old_trees(folder, keep=tree)


def _forget_old_trees(folder: Path, keep: Path | None) -> None:
    for tree in (folder.parent / ".trees").glob(f"{folder.name}-*"):
        owner = tree.name.removeprefix(f"{folder.name}-")
        if tree != keep and owner.count("-") == 1:  # another project's name may begin with this one's
            shutil.rmtree(tree, ignore_errors=True)


def _receipt(folder: Path) -> dict[str, str]:
    try:
        receipt: dict[str, str] = json.loads((folder / RECEIPT).read_text())
    except (OSError, ValueError):
        return {}
    return receipt


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
