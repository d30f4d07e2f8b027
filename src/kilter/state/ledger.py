"""The form of `ports.json`: records to text and back, strictly."""

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from kilter.errors import MachineLacks
from kilter.state.files import write_whole
from kilter.state.paths import Paths
from kilter.values import Credentials, Value
from kilter.words import is_name

SCHEMA = "kilter.ports/v1"
REBUILD = "run `kilter doctor --fix`: it rebuilds the file"
SET_ASIDE = (
    "put it right: it has the password of the project's databases; "
    "`kilter doctor --fix` sets it aside, and the project gets another one"
)
_KEPT = re.compile(r"pg_|(public|none|template0)\Z")  # users, and a database, that PostgreSQL keeps to itself
_NEWER = re.compile(r"kilter\.ports/v([2-9]|[1-9][0-9]+)\Z")


class Damaged(MachineLacks):
    """A record that cannot be read; it may be rebuilt from its copies."""

    def __init__(self, file: Path, why: str, hint: str = REBUILD) -> None:
        super().__init__(f"{file} is damaged", why=why, hint=hint)


class Newer(MachineLacks):
    """A record that a later kilter wrote: whole, and not to be changed by this one."""

    def __init__(self, file: Path, schema: str) -> None:
        super().__init__(
            f"{file} was written by a newer kilter",
            why=f"its schema is {schema}, this kilter knows {SCHEMA}",
            hint="update kilter; the file stays as it is",
        )


class Allocation(Value, frozen=True):
    """What a project owns on this machine.

    `base` is the first number of its block of 20; `ports` maps port keys (`<service>/<port name>`, `tilt`) to numbers;
    `password` is random once per project and the same for all of its services (NS-Q22).
    """

    project: str
    directory: str
    base: int
    ports: Mapping[str, int]
    password: str

    hidden = ("password",)

    @property
    def block(self) -> range:
        """The project's 20 numbers."""
        return range(self.base, self.base + 20)

    @property
    def mapped_ports(self) -> tuple[int, ...]:
        """What the cluster maps to the host: the block without Tilt's number, and pins outside of it."""
        pins = {port for port in self.ports.values() if port not in self.block}
        return (*(port for port in self.block if port != self.tilt_port), *sorted(pins))

    @property
    def tilt_port(self) -> int:
        """The number of Tilt's own page."""
        return self.base + 19

    @property
    def credentials(self) -> Mapping[str, Credentials]:
        """The credentials of each service that has a port, by the service's name."""
        services = (key.partition("/")[0] for key in self.ports if "/" in key)
        return dict.fromkeys(services, self.login)

    @property
    def login(self) -> Credentials:
        """User and database named after the project, with the project's password."""
        name = self.project.replace("-", "_")
        name = f"_{name}" if _KEPT.match(name) else name
        return Credentials(name, self.password, name)


def load(file: Path) -> dict[str, Allocation]:
    """Read all records; a missing file is none. Raises Damaged or Newer, naming the file, or MachineLacks."""
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError as error:
        hint = f"make {file} readable for you; a `sudo kilter` may have made it"
        raise MachineLacks(f"cannot read {file}", why=error.strerror or str(error), hint=hint) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(file, str(error)) from error
    try:
        document = json.loads(text)
        schema = str(document["schema"])
        if _NEWER.match(schema):
            raise Newer(file, schema)
        if schema != SCHEMA:
            raise ValueError(f"its schema is {schema!r}")
        return {name: _record(name, entry) for name, entry in document["projects"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(file, f"{type(error).__name__}: {error}") from error


def save(file: Path, records: Mapping[str, Allocation]) -> None:
    """Replace the file whole, readable by its owner alone."""
    projects = {name: _entry(record) for name, record in sorted(records.items())}
    write_whole(file, json.dumps({"schema": SCHEMA, "projects": projects}, indent=2) + "\n")


def copy_of(paths: Paths, name: str) -> Path:
    """Where the copy of a project's record lies, beside the project's own data."""
    return paths.project_data(name) / "record.json"


def save_copy(paths: Paths, record: Allocation) -> None:
    """Write the copy of one record, in the same form as the whole."""
    save(copy_of(paths, record.project), {record.project: record})


def copy(paths: Paths, name: str) -> Allocation | None:
    """Read the copy of one record, None where there is none. Raises Damaged or Newer."""
    file = copy_of(paths, name)
    try:
        found = load(file)
    except Damaged as error:
        raise Damaged(file, error.why, SET_ASIDE) from error
    if others := found.keys() - {name}:
        raise Damaged(file, f"it is the record of {', '.join(sorted(others))}", SET_ASIDE)
    return found.get(name)


def copies(paths: Paths) -> Iterator[Allocation]:
    """Yield the records of all readable copies, ordered by name; raises Newer where a later kilter wrote one."""
    for name in _folders(paths):
        with suppress(Damaged):
            if record := copy(paths, name):
                yield record


def lost(paths: Paths, known: Collection[str]) -> dict[str, Allocation]:
    """Return the records that copies alone still have; a copy that cannot be read stands in nobody's way."""
    found = {}
    for name in _folders(paths):
        with suppress(MachineLacks):
            if name not in known and (record := copy(paths, name)):
                found[name] = record
    return found


def damaged_copies(paths: Paths) -> dict[str, Damaged]:
    """Return the copies that cannot be read, by the project's name, each with what is wrong with it."""
    found = {}
    for name in _folders(paths):
        try:
            copy(paths, name)
        except Damaged as error:
            found[name] = error
        except Newer:
            continue
    return found


def _folders(paths: Paths) -> list[str]:
    # Not those with a record alone: one that may not be entered would pass as one without.
    return sorted(one.name for one in paths.data.glob("*") if "." not in one.name)


def _record(name: str, entry: Mapping[str, object]) -> Allocation:
    directory, base, ports, password = (entry[key] for key in ("directory", "base", "ports", "password"))
    if not (isinstance(directory, str) and isinstance(password, str) and is_name(name)) or "\0" in directory:
        raise TypeError(f"the entry of {name} is not of the right form")
    if not (_is_port(base) and isinstance(ports, dict) and ports and all(map(_is_port, ports.values()))):
        raise TypeError(f"the ports of {name} are no port numbers")
    # As this locale names it: the file is UTF-8, and a terminal in Latin-1 reads the same bytes as other letters.
    return Allocation(name, os.fsdecode(directory.encode(errors="surrogateescape")), base, ports, password)


def _is_port(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value < 65536


def _entry(record: Allocation) -> dict[str, object]:
    return {
        "directory": os.fsencode(record.directory).decode(errors="surrogateescape"),
        "base": record.base,
        "ports": dict(record.ports),
        "password": record.password,
    }
