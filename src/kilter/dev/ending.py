"""Which project it is that ends, also where a faulty kilter.yaml does not say it (LC-Q15)."""

from pathlib import Path

from kilter.dev.machine import Machine
from kilter.errors import BadInput
from kilter.project.load import Project, load, real, written_name
from kilter.project.model import Config
from kilter.state import records


def project_to_end(machine: Machine, file: Path) -> Project:
    """Load the project; of a faulty file the one that this machine recorded of its directory, with a warning.

    Raises NotFound, or what is wrong with the file where no record tells which project is meant.
    """
    try:
        return load(file)
    except BadInput as error:
        name = _recorded(machine, file)
        if name is None:
            raise
        return recorded(machine, name, file, error)


def recorded(machine: Machine, name: str, file: Path, error: BadInput) -> Project:
    """Return a project that is known by its record, and warn of what is wrong with its file."""
    what = ", ".join([error.what, *error.details[:1]])
    machine.progress.warn(f"{what}; by this machine's record the project is {name}")
    root = real(file.parent)
    return Project(name, root, root / file.name, Config())


def _recorded(machine: Machine, file: Path) -> str | None:
    """Return the one name that the directory has by its records; where the file says a name, no other."""
    known = [record.project for record in records.of_directory(machine.paths, real(file.parent))]
    said = written_name(file)
    if said is not None:
        return said if said in known else None
    return known[0] if len(known) == 1 else None
