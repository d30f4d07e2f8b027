"""Who owns which ports and passwords on this machine.

One file, `ports.json`, changed only under a short machine-wide lock and replaced whole. Each project's entry is also
kept beside the project's own data, so that a damaged file can be put together again (`repair`).
A block is 20 numbers; NodePort = host port. The last number of a block is Tilt's and is never mapped into the node.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from kilter.errors import BadInput, MachineLacks, NotFound
from kilter.state import ledger
from kilter.state.files import file_lock
from kilter.state.ledger import Allocation
from kilter.state.paths import Paths

__all__ = [
    "BLOCKS", "BLOCK_SIZE", "FIRST_PORT", "LAST_PORT", "REGISTRY_PORT", "TILT", "Allocation",
    "OwnedElsewhere", "all", "assign", "claim", "forget", "move", "of_directory", "read", "reassign",
    "refuse_foreign", "repair", "restore",
]  # fmt: skip

FIRST_PORT, LAST_PORT = 30000, 32767  # Kubernetes' NodePort range
BLOCK_SIZE = 20
BLOCKS = 138
REGISTRY_PORT = 32760  # the machine's image registry, behind the last block
TILT = "tilt"
PATIENCE = 30.0  # seconds to wait for the record's lock; it is held for milliseconds
PASSWORD_LENGTH = 32


class OwnedElsewhere(BadInput):
    """The project's name belongs to another directory: `owner`, which is `vanished` when it holds no kilter.yaml."""

    def __init__(self, name: str, owner: Path) -> None:
        self.owner = owner
        self.vanished = not (owner / "kilter.yaml").is_file()
        moved = "; if the project was moved here, `kilter doctor --fix` records its new place" if self.vanished else ""
        super().__init__(
            f"the project name {name!r} belongs to {owner}",
            why="its cluster, ports and data are never taken over by another directory",
            hint=f"choose another name with `name: …` in kilter.yaml{moved}",
        )


def claim(paths: Paths, name: str, directory: Path) -> Allocation:
    """Return the project's record, made at the first call: a block of ports, a password, its directory.

    The block is the name's own by a stable hash, or the next free one. Raises OwnedElsewhere when another directory
    owns the name, MachineLacks when no block is left.
    """
    known = read(paths, name)
    if known is not None and _same(known.directory, directory):
        return known
    with _changing(paths) as records:
        known = records.get(name)
        if known is None:
            base = _free_block(name, records)
            known = Allocation(name, str(directory.resolve()), base, {TILT: base + BLOCK_SIZE - 1}, _password())
            records[name] = known
        elif not _same(known.directory, directory):
            raise OwnedElsewhere(name, Path(known.directory))
    return known


def refuse_foreign(paths: Paths, name: str, directory: Path) -> None:
    """Raise OwnedElsewhere when the name belongs to another directory; an unknown name is nobody's. Takes no lock."""
    known = read(paths, name)
    if known is not None and not _same(known.directory, directory):
        raise OwnedElsewhere(name, Path(known.directory))


def assign(
    paths: Paths, name: str, keys: Sequence[str], pinned: Mapping[str, int], *, cluster_exists: bool = False
) -> Allocation:
    """Give every port key a number, for good, in the order of `keys`, and return the record.

    `pinned` numbers come from `hostPort`. A number within the block may be pinned at any time; another one only while
    no cluster exists, because a cluster's mappings are fixed when it is made. Raises BadInput when a pin is out of
    range or taken, or when the keys outnumber the block; NotFound when the project has no record.
    """
    known = _known(paths, name)
    if assigned(known, keys, pinned, (), cluster_exists=cluster_exists) == known:
        _refuse_foreign(pinned, name, all(paths))
        return known
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        _refuse_foreign(pinned, name, records.values())
        taken = {port for other in records.values() if other.project != name for port in other.ports.values()}
        records[name] = assigned(records[name], keys, pinned, taken, cluster_exists=cluster_exists)
        return records[name]


def assigned(
    record: Allocation,
    keys: Sequence[str],
    pinned: Mapping[str, int],
    taken: Collection[int],
    *,
    cluster_exists: bool,
) -> Allocation:
    """Work out the record after an assignment, without touching any file; see `assign`."""
    ports = dict(record.ports)
    for key, port in pinned.items():
        _check_pin(key, port, record, cluster_exists=cluster_exists)
        holder = next((other for other, number in ports.items() if number == port and other != key), None)
        if holder in keys or holder == TILT:
            raise BadInput(f"hostPort {port} of {key} is already the port of {holder}", hint=_free_hint(record))
        if holder is not None:
            del ports[holder]
        ports[key] = port
    for key in keys:
        if key in pinned or (key in ports and ports[key] in record.block):
            continue
        ports.pop(key, None)
        ports[key] = _next_number(record, ports, keys, taken)
    return replace(record, ports=ports)


def reassign(paths: Paths, name: str, avoid: Collection[int]) -> Allocation:
    """Move the project to another block without any number of `avoid`; every port keeps its place in the block."""
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        old = records[name]
        outside = [port for port in old.ports.values() if port not in old.block]
        base = _free_block(name, records, frozenset((*avoid, *old.block, *outside)))
        ports = {key: port - old.base + base if port in old.block else port for key, port in old.ports.items()}
        records[name] = replace(old, base=base, ports=ports)
        return records[name]


def read(paths: Paths, name: str) -> Allocation | None:
    """Return the project's record, or None when the name is unknown on this machine. Takes no lock."""
    return ledger.load(paths.ports_file).get(name)


def all(paths: Paths) -> tuple[Allocation, ...]:  # noqa: A001 - read as `records.all`
    """Return the records of all projects, ordered by name. Takes no lock."""
    return tuple(record for _, record in sorted(ledger.load(paths.ports_file).items()))


def of_directory(paths: Paths, directory: Path) -> tuple[Allocation, ...]:
    """Return the records of a directory; several where its project was called something else before. Takes no lock."""
    return tuple(record for record in all(paths) if _same(record.directory, directory))


def forget(paths: Paths, name: str) -> None:
    """Give the project's ports back and drop its password; an unknown name is fine."""
    with _changing(paths) as records:
        records.pop(name, None)
    ledger.copy_of(paths, name).unlink(missing_ok=True)


def move(paths: Paths, name: str, directory: Path) -> Allocation:
    """Record that the project now lives in `directory`. The caller has made sure that the user wants this (NS-Q2)."""
    with _changing(paths) as records:
        if name not in records:
            raise _unknown(name)
        records[name] = replace(records[name], directory=str(directory.resolve()))
        return records[name]


def restore(paths: Paths, allocations: Iterable[Allocation]) -> tuple[str, ...]:
    """Put records back that are missing, keeping those still readable; return the names put back.

    A damaged file is set aside as `ports.json.damaged`. Of two records with one block the first wins. Raises
    ledger.Newer, changing nothing, when the file was written by a later kilter.
    """
    with file_lock(_lock_file(paths), PATIENCE, "the record of ports"):
        try:
            records = ledger.load(paths.ports_file)
        except ledger.Damaged:
            paths.ports_file.replace(paths.ports_file.with_name("ports.json.damaged"))
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


@contextmanager
def _changing(paths: Paths) -> Iterator[dict[str, Allocation]]:
    """Give the records to be changed in place; what differs at the end is written, copies included."""
    with file_lock(_lock_file(paths), PATIENCE, "the record of ports"):
        before = ledger.load(paths.ports_file)
        records = dict(before)
        yield records
        if records == before:
            return
        ledger.save(paths.ports_file, records)
        for name, record in records.items():
            if before.get(name) != record:
                ledger.save_copy(paths, record)


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


def _password() -> str:
    import secrets  # start-up: needed once per project
    import string

    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))


def _free_block(name: str, records: Mapping[str, Allocation], avoid: frozenset[int] = frozenset()) -> int:
    """Return the first block, from the name's own on, that holds nothing of other projects and nothing of `avoid`."""
    import hashlib  # start-up: needed once per project

    others = [record for record in records.values() if record.project != name]
    used = avoid.union(*(record.block for record in others), *(record.ports.values() for record in others))
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % BLOCKS
    for number in range(BLOCKS):
        base = FIRST_PORT + BLOCK_SIZE * ((own + number) % BLOCKS)
        if used.isdisjoint(range(base, base + BLOCK_SIZE)):
            return base
    raise MachineLacks(
        f"all {BLOCKS} port blocks are taken",
        hint="free one: run `kilter destroy --purge` in a project that is no longer needed",
        details=[f"{record.project}  {record.directory}" for record in sorted(others, key=lambda one: one.project)],
    )


def _check_pin(key: str, port: int, record: Allocation, *, cluster_exists: bool) -> None:
    if port == record.tilt_port:
        raise BadInput(f"hostPort {port} of {key} is kept for Tilt", hint=_free_hint(record))
    if port == REGISTRY_PORT or not FIRST_PORT <= port <= LAST_PORT:
        raise BadInput(
            f"hostPort {port} of {key} cannot be used",
            why=f"it is the machine's image registry, or outside {FIRST_PORT}-{LAST_PORT}",
            hint=_free_hint(record),
        )
    if port not in record.block and cluster_exists and record.ports.get(key) != port:
        raise BadInput(
            f"hostPort {port} of {key} needs a new cluster",
            why="a cluster's ports outside its block are fixed when it is made",
            hint=f"{_free_hint(record)}; another takes `kilter destroy`, which deletes the data, and `kilter up`",
        )


def _refuse_foreign(pinned: Mapping[str, int], name: str, records: Iterable[Allocation]) -> None:
    for other in records:
        for key, port in pinned.items():
            if other.project != name and (port in other.block or port in other.ports.values()):
                raise BadInput(f"hostPort {port} of {key} belongs to project {other.project} ({other.directory})")


def _free_hint(record: Allocation) -> str:
    free = sorted(set(record.block) - set(record.ports.values()))
    return f"take one of this project's free ports: {', '.join(map(str, free)) or 'none is left'}"


def _next_number(record: Allocation, ports: dict[str, int], keys: Sequence[str], taken: Collection[int]) -> int:
    """Return the lowest free number of the block; in a full block the one whose key has been unused for longest."""
    used = set(ports.values()) | set(taken)
    for port in record.block:
        if port not in used:
            return port
    for key, port in ports.items():
        if key not in keys and key != TILT and port in record.block:
            del ports[key]
            return port
    raise BadInput(
        f"project {record.project} needs more than {BLOCK_SIZE - 1} ports",
        why=f"a project has the block {record.base}-{record.base + BLOCK_SIZE - 1}, the last number of which is Tilt's",
        hint="remove a service, or split the project in two",
    )
