"""From a directory to a validated project: finding `kilter.yaml`, reading it, and listing all its faults at once."""

import os
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from kilter.errors import BadInput, NotFound
from kilter.project.checks import check
from kilter.project.faults import Fault, InvalidProject
from kilter.project.listing import schema_faults, without
from kilter.project.model import Config, ProjectFile, spelled_out
from kilter.project.project import Project
from kilter.project.source import Source, content, decode, read
from kilter.words import is_name

__all__ = ["FILE_NAME", "Fault", "InvalidProject", "Project", "find", "load", "real", "validate", "written_name"]

FILE_NAME = "kilter.yaml"
SECTIONS = frozenset(ProjectFile.__struct_encode_fields__)
ROUNDS = 4  # of taking faulty parts out and checking the rest


def find(start: Path) -> Path:
    """Return the `kilter.yaml` of the directory `start` or of the closest one above it.

    Without links and `..` on its way, because one directory is one project. Raises NotFound, and BadInput where the way
    is closed to this user, or what has the name is no file: the project above is not the one that is meant.
    """
    directory = real(start)
    for file in (place / FILE_NAME for place in (directory, *directory.parents)):
        try:
            if file.is_file():
                return file
            is_other = os.path.lexists(file)
        except OSError as error:
            what, why = f"{file} cannot be looked for", error.strerror or str(error)
            raise BadInput(what, why=why, hint="name a directory that you may enter with -C") from None
        if is_other:
            why = "it is a link that leads to no file" if file.is_symlink() else ""
            raise BadInput(f"{file} is no file", why=why, hint="mend it, or remove it")
    raise NotFound(
        f"no {FILE_NAME} in {start} or above it",
        hint="run `kilter init` in the project's root to make one, or name the project's directory with -C",
    )


def real(directory: Path) -> Path:
    """Return the absolute path of a directory, which need not exist, without links and `..`."""
    return Path(os.path.realpath(directory))


def load(file: Path, catalog: Collection[str] = ()) -> Project:
    """Read and validate a `kilter.yaml`; raises NotFound, BadInput (unreadable) or InvalidProject.

    With the names of all entries of the `catalog`, services that are none of them are among the faults.
    """
    try:
        text = content(file)
    except FileNotFoundError:
        raise NotFound(f"{file} does not exist", hint="run `kilter init` to make one") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"{file} cannot be read", why=why, hint="it must be a file that you may read") from None
    root = real(file.parent)
    source, config = _validated(text, file.name, root.name, catalog)
    return Project(project_name(config, root.name), root, root / file.name, config, source)


def validate(text: bytes, file_label: str, directory_name: str) -> Config:
    """Return the configuration that `text` holds; raises InvalidProject with every fault.

    `file_label` is how the file is called in faults; `directory_name` names the project when the file does not.
    """
    return _validated(text, file_label, directory_name)[1]


def project_name(config: Config, directory_name: str) -> str:
    """Return the project's name: the file's, else the directory's in lower case (NS-Q1)."""
    return config.name or directory_name.lower()


def written_name(file: Path) -> str | None:
    """Return the `name` of a file that may be faulty elsewhere; None where it says none that can be one."""
    try:
        root = read(decode(content(file), file.name), file.name).root
    except (OSError, InvalidProject):
        return None
    name = root.data().get("name") if root is not None and root.pairs is not None else None
    return name if isinstance(name, str) and is_name(name) else None


def _validated(text: bytes, label: str, directory_name: str, catalog: Collection[str] = ()) -> tuple[Source, Config]:
    source = read(decode(text, label), label)
    root = source.root
    if root is None or (root.pairs is None and root.items is None and root.value is None):
        message = (
            "the file is empty; begin with a line such as `services:`, or with what `kilter init --dry-run` prints"
        )
        raise InvalidProject(label, [Fault(label, 1, 1, "", message)])
    if root.pairs is None:
        message = "the file must be a map of keys such as `services:`, not a list or a single value"
        raise InvalidProject(label, [Fault(label, root.line, root.column, "", message)])
    # A section left empty, such as `services:` with all its lines commented out, counts as absent.
    written = {key: value for key, value in root.data().items() if not key.startswith("x-")}
    data = {key: value for key, value in written.items() if value is not None or key not in SECTIONS}
    try:
        config = spelled_out(msgspec.convert(data, ProjectFile))
    except msgspec.ValidationError as error:
        further = partial(check, source=source, directory_name=directory_name, catalog=catalog)
        raise InvalidProject(label, _all_faults(source, data, further, str(error))) from None
    faults = [*source.faults, *check(config, source, directory_name, catalog)]
    if faults:
        raise InvalidProject(label, _once_per_place(source, faults))
    return source, config


def _all_faults(source: Source, data: dict[str, Any], look: Callable[[Config], list[Fault]], first: str) -> list[Fault]:
    """List the faults against the schema, then look at what is left once the faulty parts are taken out."""
    found = schema_faults(source, data)
    if not found:  # the schema cannot say it, msgspec can
        found = [((), Fault(source.label, 1, 1, "", first))]
    faults = [fault for _, fault in found]
    blamed = {path for path, _ in found}
    for _ in range(ROUNDS):
        rest = without(data, blamed)
        try:
            config = spelled_out(msgspec.convert(rest, ProjectFile))
        except msgspec.ValidationError:
            blamed |= {path[:-1] for path, _ in schema_faults(source, rest) if path}
            continue
        faults += [fault for fault in look(config) if not _follows(fault, faults)]
        break
    return _once_per_place(source, [*source.faults, *faults])


def _follows(fault: Fault, known: list[Fault]) -> bool:
    """Tell whether a fault may come only from taking a faulty part out: it is about the part or what holds it."""
    return any(other.path.startswith(fault.path) or fault.path.startswith(other.path) for other in known if other.path)


def _once_per_place(source: Source, faults: list[Fault]) -> list[Fault]:
    """Drop what another look found at a place that is already known to be badly written."""
    written = {(fault.line, fault.column) for fault in source.faults}
    return source.faults + [fault for fault in faults if (fault.line, fault.column) not in written]
