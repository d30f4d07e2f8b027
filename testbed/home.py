"""Where the testbed keeps things: the cache (survives everything) and the run folder (gone after a reboot)."""

from dataclasses import dataclass, replace
from pathlib import Path

RUN = Path("/run/kilter-testbed")


@dataclass(frozen=True)
class Home:
    """The paths of one cache; all of them are derived, none is stored."""

    root: Path
    run: Path = RUN

    @classmethod
    def from_environment(cls, environment: dict[str, str]) -> "Home":
        """The cache named by KILTER_TESTBED_HOME, or the default below the user's cache folder."""
        named = environment.get("KILTER_TESTBED_HOME")
        cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root")) / ".cache"
        # Without links: that is how the kernel names the mounts below it.
        return cls(Path(named or Path(cache) / "kilter-testbed").resolve())

    def in_use(self) -> "Home":
        """The home of the testbed that was started on this machine, or this one where none was."""
        try:
            return replace(self, root=Path((self.run / "home").read_text()))
        except OSError:
            return self

    @property
    def logs(self) -> Path:
        """One log file per stage and per service."""
        return self.root / "logs"

    @property
    def stages(self) -> Path:
        """Finished artefacts, one folder per stage and key."""
        return self.root / "stages"

    @property
    def current(self) -> Path:
        """A link per stage to the artefact in use, so that paths handed out stay stable."""
        return self.root / "current"

    @property
    def mirror(self) -> Path:
        """The tools mirror handed to the product."""
        return self.root / "mirror"

    @property
    def engine(self) -> Path:
        """Data of containerd, dockerd and the registry."""
        return self.root / "engine"

    @property
    def socket(self) -> Path:
        """The engine's own socket; the default one stays untouched."""
        return self.run / "docker.sock"

    def artefact(self, stage: str) -> Path:
        """The artefact of a finished stage."""
        return self.current / stage
