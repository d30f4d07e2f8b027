"""What every feature works with: a runner of processes, the machine's records, the environment, and progress."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from kilter.proc import Runner
from kilter.progress import Progress
from kilter.state.paths import Paths
from kilter.values import Value


class Machine(Value, frozen=True):
    """One developer's machine, as kilter sees it."""

    runner: Runner
    paths: Paths
    environment: Mapping[str, str]
    progress: Progress

    def reporting_to(self, progress: Progress) -> "Machine":
        """Return the same machine with another listener."""
        return replace(self, progress=progress)

    def tool(self, name: str) -> Path:
        """Return the path of a tool (kind, helm, kubectl, tilt) that will do, bringing it when it is not here."""
        from kilter.tools.provision import provide  # start-up: `env`, `ps` and `version` bring nothing
        from kilter.tools.versions import TOOLS

        return provide(TOOLS[name], self.runner, self.paths, self.environment, self.progress)

    def node_image(self, wanted: str | None) -> str:
        """Return the node image: what the project asks for, else `KILTER_NODE_IMAGE`, else the pinned one (LC-Q1)."""
        from kilter.tools.versions import NODE_IMAGE  # start-up: as above

        return wanted or self.environment.get("KILTER_NODE_IMAGE") or NODE_IMAGE
