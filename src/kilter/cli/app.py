"""What every verb gets: the console, the machine, and the project of the current directory."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kilter.cli.console import Console

if TYPE_CHECKING:  # `kilter --help` and `version` must not pay for these imports
    from kilter.dev.machine import Machine
    from kilter.project.load import Project


@dataclass
class App:
    """The composition of one run."""

    console: Console
    directory: Path

    @classmethod
    def from_environment(cls, console: Console, directory: Path) -> "App":
        """Build the app for a directory, as the user named it."""
        return cls(console, directory.absolute())

    @cached_property
    def machine(self) -> "Machine":
        """This machine: processes, records, environment, and where progress goes."""
        from kilter.dev.machine import Machine
        from kilter.proc import SubprocessRunner
        from kilter.state.paths import Paths

        return Machine(SubprocessRunner(), Paths.from_environment(os.environ), dict(os.environ), self.console.progress)

    def project(self) -> "Project":
        """Load the project that the directory lies in; raises NotFound or InvalidProject."""
        from kilter.project.load import find, load

        return load(find(self.directory))
