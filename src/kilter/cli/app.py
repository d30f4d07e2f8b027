"""What every verb gets: the console, the machine, and the project of the current directory."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kilter.cli.console import Console
from kilter.errors import BadInput, Interrupted, NotFound

if TYPE_CHECKING:  # `kilter --help` and `version` must not pay for these imports
    from kilter.dev.machine import Machine
    from kilter.project.load import Project


class App:
    """The composition of one run; `named` is the directory to act in, as the user named it."""

    def __init__(self, console: Console, directory: Path) -> None:
        self.console = console
        self.named = directory

    @classmethod
    def from_environment(cls, console: Console, directory: str) -> "App":
        """Build the app for a directory, as the user named it."""
        return cls(console, Path(directory))

    @cached_property
    def directory(self) -> Path:
        """The directory to act in, without links and `..`. Raises NotFound when it is the working one, and gone."""
        try:
            return Path(os.path.realpath(self.named))
        except FileNotFoundError:
            raise NotFound(
                "the working directory is gone",
                why="it was deleted, or another now has its name",
                hint="`cd` into another one, or name the project's directory with -C",
            ) from None

    @cached_property
    def machine(self) -> "Machine":
        """This machine: processes, records, environment, and where progress goes."""
        from kilter.dev.machine import Machine
        from kilter.proc import SubprocessRunner
        from kilter.state.paths import Paths, of_snaps

        paths = Paths.from_environment(os.environ)
        for name, place in of_snaps(os.environ).items():
            used = paths.data if name == "XDG_DATA_HOME" else paths.cache
            left = f"; what is in {place}/kilter stays there" if (place / "kilter").is_dir() else ""
            self.console.progress.warn(f"{name}={place} is a snap's own and is passed over for {used}{left}")
        return Machine(SubprocessRunner(), paths, dict(os.environ), self.console.progress)

    def project(self) -> "Project":
        """Load the project that the directory lies in; raises NotFound or InvalidProject."""
        from kilter.catalog.load import names
        from kilter.project.load import find, load

        return load(find(self.directory), names())

    def project_to_end(self) -> "Project":
        """Do as `project`, for verbs that only end things: no fault of the file keeps them where a record will do."""
        from kilter.dev.ending import project_to_end
        from kilter.project.load import find

        return project_to_end(self.machine, find(self.directory))

    def ask_for_name(self, name: str, losses: Sequence[str]) -> None:
        """Ask the user to type the project's name; raises BadInput without a terminal, Interrupted for another word."""
        for line in losses:
            self.console.tell(line)
        if not self.console.interactive:
            raise BadInput("there is no terminal to ask on", hint="add `--yes` if you mean it")
        if not self.console.confirm(f"Type {name} to go on:", name):
            raise Interrupted("nothing was changed", why="the name was not typed")
