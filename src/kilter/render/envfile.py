"""Comparing a `.env` file with what kilter would print (NS-Q27). Nothing is ever written."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from kilter.render.addresses import Address

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z")
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<host>\[[^\]]*\]|[^:/?#]*)(?::(?P<port>[0-9]{1,9}))?(?P<path>/[^?#]*)?(?P<rest>.*)\Z",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"(://[^:@/?#]*:)(?:\S*|[^@/?#]*)(?=@)")  # rather too much of a text than a part of a password
_QUOTED = re.compile(r"([\"'])(.*?)\1\s*(?:#.*)?\Z")
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SCHEMES = {"postgres": "postgresql"}  # two spellings of one scheme
NODE_PORTS = range(30000, 32768)


@dataclass(frozen=True)
class Difference:
    """One way in which a `.env` file differs; passwords are masked in every text."""

    kind: Literal["missing", "extra", "changed", "foreign"]
    variable: str
    says: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.says}"


def read(text: str) -> dict[str, str]:
    """Read `NAME=value` lines with optional `export` and quotes; the last of two lines with one name counts."""
    found = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            found[match[1]] = _unquoted(match[2])
    return found


def compare(
    text: str,
    listed: Iterable[Address],
    other_ports: Mapping[int, str],
    catalog_variables: Collection[str] = (),
) -> list[Difference]:
    """Compare the text of a `.env` file with the addresses for this machine.

    `other_ports` maps numbers on localhost to the projects they belong to. A variable that kilter does not give is a
    difference only when it names one of kilter's ports or ends like one of the `catalog_variables`: everything else
    in the file is the user's own. Apps and Tilt are compared only where the file names them.
    """
    given, expected = read(text), {address.variable: address for address in listed}
    differences: list[Difference] = []
    for name, address in expected.items():
        if name in given:
            differences += _changed(address, given[name], other_ports)
        elif address.kind == "service":
            differences.append(Difference("missing", name, f"is missing; it is {masked(address.localhost)}"))
    for name, value in given.items():
        if name not in expected:
            differences += _extra(name, value, other_ports, catalog_variables)
    return differences


def masked(value: str) -> str:
    """Return a value with the password of every URL in it as stars, whatever stands around them."""
    return _PASSWORD.sub(r"\1***", value)


def _changed(address: Address, value: str, other_ports: Mapping[int, str]) -> Iterable[Difference]:
    if _parts(value) == _parts(address.localhost):
        return
    name, port = address.variable, _local_port(value)
    if port in other_ports:
        says = f"port {port} belongs to project {other_ports[port]}; it is {masked(address.localhost)}"
        yield Difference("foreign", name, says)
    elif _parts(value) == _parts(address.in_cluster):
        yield Difference("changed", name, f"is the address for pods; on this machine it is {masked(address.localhost)}")
    elif masked(value) == masked(address.localhost):
        yield Difference("changed", name, "has another password")
    else:
        yield Difference("changed", name, f"is {masked(value)} in the file; it is {masked(address.localhost)}")


def _extra(
    name: str, value: str, other_ports: Mapping[int, str], catalog_variables: Collection[str]
) -> Iterable[Difference]:
    port = _local_port(value)
    if port in other_ports:
        yield Difference("foreign", name, f"port {port} belongs to project {other_ports[port]}")
    elif port in NODE_PORTS or any(name == each or name.endswith(f"_{each}") for each in catalog_variables):
        yield Difference("extra", name, f"is {masked(value)} in the file; no service of this project has it")


def _parts(value: str) -> tuple[str, ...]:
    match = _URL.match(value)
    if not match:
        return (value,)
    scheme, host = match["scheme"].lower(), match["host"].lower()
    place = "localhost" if host in _LOCAL else host
    words = (match["user"], match["password"], match["port"], (match["path"] or "").rstrip("/"))
    return (_SCHEMES.get(scheme, scheme), place, *(word or "" for word in words))


def _local_port(value: str) -> int:
    match = _URL.match(value) or re.match(r"(?P<host>[^:/]+):(?P<port>[0-9]{1,9})\Z", value)
    return int(match["port"]) if match and match["port"] and match["host"].lower() in _LOCAL else 0


def _unquoted(value: str) -> str:
    quoted = _QUOTED.match(value)
    return quoted[2] if quoted else value.split(" #", 1)[0].rstrip()
