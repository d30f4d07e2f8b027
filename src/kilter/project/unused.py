"""The keys of `kilter.yaml` that this release reads and checks, and acts on in no local command: data, in one place.

A key that begins to be acted on leaves its table here; a test holds the tables against the schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kilter.project.faults import Fault
from kilter.project.listing import Path, fault_at
from kilter.project.source import Node, Source

NAME = "<name>"  # stands for the keys of a map


@dataclass(frozen=True)
class Unused:
    """A key of the local side without effect: its path, why, and the values that ask for what is so anyway.

    `refused` where leaving it out of account would give something else than what the file asks for.
    """

    path: str
    fact: str
    refused: bool
    satisfied: tuple[object, ...] = ()


UNUSED: tuple[Unused, ...] = (
    Unused("cluster.provider", "this release makes clusters with kind alone", refused=True, satisfied=("kind",)),
    Unused("cluster.servers", "a cluster of this release has one node", refused=True, satisfied=(1,)),
    Unused("cluster.agents", "a cluster of this release has one node", refused=True, satisfied=(0,)),
    Unused("cluster.httpPort", "a cluster of this release has no load balancer", refused=True),
    Unused("cluster.httpsPort", "a cluster of this release has no load balancer", refused=True),
    Unused(
        "detect", "this release detects no services: name them under `services:`", refused=False, satisfied=(False,)
    ),
    Unused(
        f"processes.{NAME}.probes",
        "locally a process with a port is ready when the port answers, and any other when it runs",
        refused=False,
    ),
)

# What is for the shared platform: local commands pass it over, as they should.
DEPLOY_SIDE = frozenset(
    {
        "allowFrom",
        "app",
        "appSecrets",
        "deploy",
        "environments",
        "migration",
        f"processes.{NAME}.public",
        "profile",
        "public",
        "secrets",
        "seed",
        "sopsRecipient",
    }
)


def refusals(source: Source) -> list[Fault]:
    """Return a fault for each key that asks for something which this release cannot give."""
    return [_fault(source, path, f"not in this release: {key.fact}") for key, path in _asked(source) if key.refused]


def reminders(source: Source) -> list[Fault]:
    """Return a line for each key that is left out of account without harm, in the order of the table."""
    found = [(path, key.fact) for key, path in _asked(source) if not key.refused]
    found += [(path, "the service runs what its `image` names") for path in _versions_beside_images(source)]
    return [_fault(source, path, f"without effect here: {fact}") for path, fact in found]


def _versions_beside_images(source: Source) -> Iterator[Path]:
    for path, node in _places(source.root, ("services", NAME), ()):
        match node.data():
            case {"image": str(), "version": str()}:
                yield (*path, "version")


def _asked(source: Source) -> Iterator[tuple[Unused, Path]]:
    for key in UNUSED:
        for path, node in _places(source.root, tuple(key.path.split(".")), ()):
            given = node.data()
            if given is not None and given not in key.satisfied:
                yield key, path


def _places(node: Node | None, rest: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Node]]:
    """Yield where a path with placeholders leads in the file."""
    if node is not None and not rest:
        yield path, node
    elif node is not None and node.pairs is not None:
        entries = {str(key.value): value for key, value in node.entries()}
        for name in entries if rest[0] == NAME else {rest[0]} & entries.keys():
            yield from _places(entries[name], rest[1:], (*path, name))


def _fault(source: Source, path: Path, message: str) -> Fault:
    return fault_at(source, path, message, at_key=True)
