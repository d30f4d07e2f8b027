"""Who owns which ports and passwords on this machine.

One file, `ports.json`, changed only under a short machine-wide lock and replaced whole. Each project's entry is also
kept beside the project's own data: a missing file is put together again from these copies, a damaged one by `repair`.
`kilter.state.blocks` works the numbers out.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from kilter.errors import BadInput, NotFound
from kilter.state import blocks, ledger
from kilter.state.files import file_lock, is_gone, keep_aside, remove_file
from kilter.state.ledger import Allocation
from kilter.state.paths import Paths

__all__ = [
    "Allocation", "OwnedElsewhere", "all", "assign", "claim", "forget", "move", "of_directory", "read", "reassign",
    "refuse_foreign", "renew_copies", "repair", "restore", "vanished",
]  # fmt: skip

PATIENCE = 30.0  # seconds to wait for the record's lock; it is held for milliseconds
PASSWORD_LENGTH = 32


class OwnedElsewhere(BadInput):
    """The project's name belongs to another directory: `owner`; `vanished` as the function tells it."""

    def __init__(self, paths: Paths, known: Allocation) -> None:
        self.owner = Path(known.directory)
        self.vanished = vanished(paths, known)
        moved = "; if the project was moved here, `kilter doctor --fix` records its new place" if self.vanished else ""
        super().__init__(
            f"the project name {known.project!r} belongs to {self.owner}",
            why="its cluster, ports and data are never taken over by another directory",
            hint=f"choose another name with `name: …` in kilter.yaml{moved}",
        )


def claim(paths: Paths, name: str, directory: Path) -> Allocation:
    """Return the project's record, made at the first call: a block of ports, a password, its directory.

    The block is the name's own by a stable hash, or the next free one. A record that `ports.json` has lost is taken
    from its copy, and moved where its block has been given away since. Raises OwnedElsewhere when another directory
    owns the name, MachineLacks when no block is left.
    """
    known = ledger.load(paths.ports_file).get(name)
    if known is not None and _same(known.directory, directory):
        return known
    with _changing(paths) as records:
        known = records.get(name) or _lost(paths, name, records) or _fresh(paths, name, directory, records)
        if not _same(known.directory, directory):
            raise OwnedElsewhere(paths, known)
        records[name] = known
    return known


def refuse_foreign(paths: Paths, name: str, directory: Path) -> None:
    """Raise OwnedElsewhere when the name belongs to another directory; an unknown name is nobody's. Takes no lock."""
    known = read(paths, name)
    if known is not None and not _same(known.directory, directory):
        raise OwnedElsewhere(paths, known)


def assign(
    paths: Paths, name: str, keys: Sequence[str], pinned: Mapping[str, int], *, cluster_exists: bool = False
) -> Allocation:
    """Give every port key a number, for good, in the order of `keys`, and return the record.

    `pinned` numbers come from `hostPort`. A number within the block may be pinned at any time; another one only while
    no cluster exists, because a cluster's mappings are fixed when it is made. Raises BadInput when a pin is out of
    range or taken, or when the keys outnumber the block; NotFound when the project has no record.
    """
    known = _known(paths, name)
    if blocks.assigned(known, keys, pinned, (), cluster_exists=cluster_exists) == known:
        blocks.refuse_taken(pinned, known, all(paths))
        return known
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        blocks.refuse_taken(pinned, records[name], records.values())
        taken = {port for other in records.values() if other.project != name for port in other.ports.values()}
        records[name] = blocks.assigned(records[name], keys, pinned, taken, cluster_exists=cluster_exists)
        return records[name]


def reassign(paths: Paths, name: str, avoid: Collection[int]) -> Allocation:
    """Move the project to another block without any number of `avoid`; every port keeps its place in the block."""
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        records[name] = blocks.moved(records[name], _with_lost(paths, records), avoid)
        return records[name]


def read(paths: Paths, name: str) -> Allocation | None:
    """Return the project's record, or None when the name is unknown on this machine. Takes no lock."""
    known = _load(paths)
    return known.get(name) or _lost(paths, name, known)


def all(paths: Paths) -> tuple[Allocation, ...]:  # noqa: A001 - read as `records.all`
    """Return the records of all projects, ordered by name. Takes no lock."""
    return tuple(record for _, record in sorted(_load(paths).items()))


def of_directory(paths: Paths, directory: Path) -> tuple[Allocation, ...]:
    """Return the records of a directory; several where its project was called something else before. Takes no lock."""
    return tuple(record for record in all(paths) if _same(record.directory, directory))


def is_trial(paths: Paths, record: Allocation) -> bool:
    """Tell whether this is the trial platform, a cluster of kilter's own: its directory is its data folder."""
    return _same(record.directory, paths.project_data(record.project))


def vanished(paths: Paths, record: Allocation) -> bool:
    """Tell whether the project's directory holds no kilter.yaml any more; not so where it may not be entered.

    The trial platform never had one.
    """
    return not is_trial(paths, record) and is_gone(Path(record.directory) / "kilter.yaml")


def forget(paths: Paths, name: str) -> None:
    """Give the project's ports back and drop its password; an unknown name is fine."""
    with _changing(paths) as records:
        records.pop(name, None)
        # Before the whole is written: a copy that stayed alone would bring the record back.
        remove_file(ledger.copy_of(paths, name))


def move(paths: Paths, name: str, directory: Path) -> Allocation:
    """Record that the project now lives in `directory`. The caller has made sure that the user wants this (NS-Q2)."""
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        records[name] = replace(records[name], directory=str(directory.resolve()))
        return records[name]


def restore(paths: Paths, allocations: Iterable[Allocation]) -> tuple[str, ...]:
    """Put records back that are missing, keeping those still readable; return the names put back.

    A damaged file is kept as `ports.json.damaged`. Of two records with one block the first wins. Raises
    ledger.Newer, changing nothing, when the file was written by a later kilter.
    """
    with file_lock(_lock_file(paths), PATIENCE, "the record of ports"):
        try:
            records = ledger.load(paths.ports_file)
        except ledger.Damaged:
            keep_aside(paths.ports_file)
            records = {}
        back = []
        for record in allocations:
            bases = {known.base for known in records.values()}
            if record.project not in records and record.base not in bases:
                records[record.project] = record
                back.append(record.project)
        ledger.save(paths.ports_file, records)
        return tuple(back)


def repair(paths: Paths) -> tuple[str, ...]:
    """Rebuild `ports.json` from the copies beside the projects' data; return the names put back."""
    return restore(paths, tuple(ledger.copies(paths)))


def renew_copies(paths: Paths) -> tuple[str, ...]:
    """Keep damaged copies aside and write those of known projects anew; return the names of the projects not known."""
    with file_lock(_lock_file(paths), PATIENCE, "the record of ports"):
        known = ledger.load(paths.ports_file)
        damaged = ledger.damaged_copies(paths)
        for name in damaged:
            keep_aside(ledger.copy_of(paths, name))
            if name in known:
                ledger.save_copy(paths, known[name])
            else:
                remove_file(ledger.copy_of(paths, name))
        return tuple(name for name in damaged if name not in known)


@contextmanager
def _changing(paths: Paths) -> Iterator[dict[str, Allocation]]:
    """Give the records to be changed in place; what differs at the end is written, copies included."""
    with file_lock(_lock_file(paths), PATIENCE, "the record of ports"):
        before = ledger.load(paths.ports_file)
        records = _load(paths)
        yield records
        if records == before:
            return
        # The copies first: what a full disk or a kill leaves out of the whole is taken from them.
        for name, record in records.items():
            if before.get(name) != record:
                ledger.save_copy(paths, record)
        ledger.save(paths.ports_file, records)


def _load(paths: Paths) -> dict[str, Allocation]:
    """Read the records of all projects; where `ports.json` is missing, what their copies say, no block twice."""
    known = ledger.load(paths.ports_file)
    if known or paths.ports_file.exists():
        return known
    copies = {record.project: record for record in ledger.copies(paths)}
    for name, record in copies.items():
        known[name] = blocks.moved(record, copies | known) if blocks.given_away(record, known) else record
    return known


def _lost(paths: Paths, name: str, known: Mapping[str, Allocation]) -> Allocation | None:
    """Return the record that `ports.json` has lost from its copy; in another block if its own was given away since."""
    record = ledger.copy(paths, name)
    if record is None or not blocks.given_away(record, known):
        return record
    return blocks.moved(record, _with_lost(paths, known))


def _with_lost(paths: Paths, known: Mapping[str, Allocation]) -> dict[str, Allocation]:
    # A kill or a full disk may leave a record in its copy alone: its project still counts on its block.
    return ledger.lost(paths, known) | dict(known)


def _lock_file(paths: Paths) -> Path:
    return paths.data / "ports.lock"


def _known(paths: Paths, name: str) -> Allocation:
    record = read(paths, name)
    if record is None:
        raise _unknown(name)
    return record


def _unknown(name: str) -> NotFound:
    return NotFound(f"project {name} has no ports on this machine", hint="run `kilter up` in its directory")


def _same(recorded: str, directory: Path) -> bool:
    return recorded == str(directory.resolve()) or Path(recorded).resolve() == directory.resolve()


def _fresh(paths: Paths, name: str, directory: Path, records: Mapping[str, Allocation]) -> Allocation:
    base = blocks.free_block(name, _with_lost(paths, records))
    tilt = base + blocks.BLOCK_SIZE - 1
    return Allocation(name, str(directory.resolve()), base, {blocks.TILT: tilt}, _password())


def _password() -> str:
    import secrets  # start-up: needed once per project
    import string

    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))
