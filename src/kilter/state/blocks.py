"""Which numbers a project has: its block of 20, and the port of each key. Worked out from records alone; no files.

NodePort = host port. The last number of a block is Tilt's and is never mapped into the node.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from kilter.errors import BadInput, MachineLacks
from kilter.state.ledger import Allocation

FIRST_PORT, LAST_PORT = 30000, 32767  # Kubernetes' NodePort range
BLOCK_SIZE = 20
BLOCKS = 138
REGISTRY_PORT = 32760  # the machine's image registry, behind the last block
TILT = "tilt"


def free_block(name: str, records: Mapping[str, Allocation], avoid: frozenset[int] = frozenset()) -> int:
    """Return the first block, from the name's own on, that holds nothing of other projects and nothing of `avoid`."""
    import hashlib  # start-up: needed once per project

    used = avoid | _used(name, records)
    own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % BLOCKS
    for number in range(BLOCKS):
        base = FIRST_PORT + BLOCK_SIZE * ((own + number) % BLOCKS)
        if used.isdisjoint(range(base, base + BLOCK_SIZE)):
            return base
    raise MachineLacks(
        f"all {BLOCKS} port blocks are taken",
        hint="free one: run `kilter destroy --purge` in a project that is no longer needed",
        details=[f"{other}  {record.directory}" for other, record in sorted(records.items()) if other != name],
    )


def given_away(record: Allocation, records: Mapping[str, Allocation]) -> bool:
    """Tell whether a number of the record's block belongs to another project."""
    return not _used(record.project, records).isdisjoint(record.block)


def moved(record: Allocation, records: Mapping[str, Allocation], avoid: Collection[int] = ()) -> Allocation:
    """Return the record in another block without any number of `avoid`; every port keeps its place in the block."""
    outside = [port for port in record.ports.values() if port not in record.block]
    base = free_block(record.project, records, frozenset((*avoid, *record.block, *outside)))
    ports = {key: port - record.base + base if port in record.block else port for key, port in record.ports.items()}
    return replace(record, base=base, ports=ports)


def assigned(
    record: Allocation,
    keys: Sequence[str],
    pinned: Mapping[str, int],
    taken: Collection[int],
    *,
    cluster_exists: bool,
) -> Allocation:
    """Work out the record after an assignment, without touching any file; see `records.assign`."""
    # What is pinned leaves its old number first: two pins may exchange theirs.
    ports = {key: port for key, port in record.ports.items() if key not in pinned}
    for key, port in pinned.items():
        _check_pin(key, port, record, cluster_exists=cluster_exists)
        holder = next((other for other, number in ports.items() if number == port), None)
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


def refuse_taken(pinned: Mapping[str, int], record: Allocation, records: Iterable[Allocation]) -> None:
    """Raise BadInput when a pinned number is in another project's block, or is a port of it."""
    for other in records:
        for key, port in pinned.items():
            if other.project != record.project and (port in other.block or port in other.ports.values()):
                raise BadInput(
                    f"hostPort {port} of {key} belongs to project {other.project} ({other.directory})",
                    hint=_free_hint(record),
                )


def _used(name: str, records: Mapping[str, Allocation]) -> frozenset[int]:
    """Return the numbers of all projects but the named one: their blocks, and pins outside of them."""
    others = [record for record in records.values() if record.project != name]
    return frozenset[int]().union(*(record.block for record in others), *(record.ports.values() for record in others))


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
