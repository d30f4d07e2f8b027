"""Where kilter keeps things on the machine.

Everything under `cache` can be made again at any time; everything under `data` must outlive it. A project's folder
bears the project's name; what belongs to no project has a dot in its name, which no project's name may have (NS-Q1).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from kilter.errors import BadInput, MachineLacks
from kilter.values import Value

IDENTITY_FOLDER = "identity"  # in a project's data folder
IDENTITY_MOUNT = "/kilter"  # where a node sees the folder `Paths.identity`, the mark that the node is kilter's


ROOTS = ("XDG_DATA_HOME", "XDG_CACHE_HOME")


class Paths(Value, frozen=True):
    """The two roots, and every path below them that more than one part of kilter needs to know."""

    data: Path
    cache: Path

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Paths":
        """Follow XDG_DATA_HOME and XDG_CACHE_HOME where they are absolute, else `~/.local/share` and `~/.cache`.

        Those that `of_snaps` names are passed over.
        Raises BadInput where both lead to one folder, or one of them into a project's folder of the other, and
        MachineLacks for a user without a home.
        """
        wanted = {name: _absolute(env.get(name)) for name in ROOTS if name not in of_snaps(env)}
        data = wanted.get("XDG_DATA_HOME") or home(env) / ".local" / "share"
        cache = wanted.get("XDG_CACHE_HOME") or home(env) / ".cache"
        paths = cls(data / "kilter", cache / "kilter")
        _refuse_shared(paths)
        return paths

    @property
    def ports_file(self) -> Path:
        """The machine-wide record of port blocks and credentials."""
        return self.data / "ports.json"

    @property
    def certs_dir(self) -> Path:
        """The registry mirrors that every node mounts: `<host>/hosts.toml`."""
        return self.data / "certs.d"

    @property
    def tools_dir(self) -> Path:
        """The binaries that kilter brought: `<tool>/<version>/<tool>`."""
        return self.cache / "tools.d"

    @property
    def locks_dir(self) -> Path:
        """One lock file per project; never removed, for a lock on a removed file locks nothing."""
        return self.data / "locks.d"

    @property
    def scratch_dir(self) -> Path:
        """Folders of commands that are under way."""
        return self.cache / "scratch.d"

    def project_data(self, name: str) -> Path:
        """What must outlive the cluster: records, volumes, snapshots."""
        return self.data / name

    def project_cache(self, name: str) -> Path:
        """What can be made again: rendered artefacts and the kubeconfig."""
        return self.cache / name

    def kubeconfig(self, name: str) -> Path:
        """The one file with the credentials of the project's cluster (NS-11)."""
        return self.project_cache(name) / "kubeconfig"

    def identity(self, name: str) -> Path:
        """The folder mounted into the project's node at `IDENTITY_MOUNT`."""
        return self.project_data(name) / IDENTITY_FOLDER

    def cluster_mark(self, name: str) -> Path:
        """The file in it, written before a cluster is made: without it the project surely has none."""
        return self.identity(name) / "project"

    def volumes(self, name: str) -> Path:
        """The services' data, mounted into the node so that it outlives the container (LC-Q21)."""
        return self.project_data(name) / "volumes"

    def snapshots(self, name: str) -> Path:
        """The project's database snapshots (LC-Q25)."""
        return self.project_data(name) / "snapshots"

    def tilt_log(self, name: str) -> Path:
        """What the background Tilt prints; outside every folder that Tilt watches."""
        return self.project_data(name) / "tilt" / "tilt.log"

    def tilt_home(self, name: str) -> Path:
        """Tilt's own state folder (TILT_DEV_DIR), apart from that of other Tilts on the machine."""
        return self.project_data(name) / "tilt" / "home"


def of_snaps(env: Mapping[str, str]) -> dict[str, Path]:
    """Return the folders of `ROOTS` that lie in `~/snap`, by their variables.

    A snap, such as VS Code's, sets them for its terminal, anew with each revision: what is kept there no other terminal
    finds, and soon not this one.
    """
    found = {name: place for name in ROOTS if (place := _absolute(env.get(name)))}
    snaps = Path(env["HOME"]) / "snap" if env.get("HOME") else None
    return {name: place for name, place in found.items() if snaps and place.is_relative_to(snaps)}


def home(env: Mapping[str, str]) -> Path:
    """Return the user's home: HOME, else what the system knows. Raises MachineLacks for a user without one.

    A relative HOME is none: it would be another folder in each directory, with other ports and passwords.
    """
    try:
        found = Path(env["HOME"]) if env.get("HOME") else Path.home()
        why = "" if found.is_absolute() else f"HOME is {found}, which leads to another folder from each directory"
    except RuntimeError:
        why = "HOME is not set, and the system does not know the user"
    if why:
        raise MachineLacks("this user has no home", why=why, hint="let HOME name a folder of yours")
    return found


def _refuse_shared(paths: Paths) -> None:
    # What is cached is replaced and removed whole: data in the same folder would go with it.
    data, cache = (Path(os.path.realpath(root)) for root in (paths.data, paths.cache))
    for outer, inner in ((data, cache), (cache, data)):
        if inner.is_relative_to(outer):
            below = inner.relative_to(outer).parts
            if not below or "." not in below[0]:
                where = f"{inner} lies in {outer}" if below else f"both are {data}"
                raise BadInput(
                    "data and cache would lie in the same folders",
                    why=f"{where}, and what is cached is removed at any time",
                    hint="let XDG_DATA_HOME and XDG_CACHE_HOME name folders apart, or unset one of them",
                )


def _absolute(text: str | None) -> Path | None:
    return Path(text) if text and Path(text).is_absolute() else None
