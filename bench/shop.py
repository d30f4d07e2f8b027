"""The example shop under kilter, as a user has it: the installed command, a copy of the project, a HOME of its own."""

import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.process import Ended, Failed, run
from bench.web import await_answer

ROOT = Path(__file__).resolve().parent.parent
NAME = "bench-shop"
NODE = f"kilter-{NAME}-control-plane"
REGISTRY = "localhost:32760"  # kilter's own, where Tilt pushes to
BUILT = tuple(f"{REGISTRY}/{name}{end}" for name in (NAME, "bench-hand") for end in "_/")
DROPPED = ("XDG_", "KUBE", "PYTHON", "VIRTUAL_ENV")  # of the environment: what this run brought, not the user
CACHES = shutil.ignore_patterns(".kilter", ".venv", "__pycache__", ".pytest_cache")


def user_environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment of a user with another HOME, who still uses Docker as before."""
    kept = {name: value for name, value in given.items() if not name.startswith(DROPPED)}
    docker = given.get("DOCKER_CONFIG") or str(Path(given.get("HOME", "/")) / ".docker")
    return kept | {"HOME": str(home), "DOCKER_CONFIG": docker, "NO_COLOR": "1"}


def copy_example(target: Path) -> None:
    """Copy examples/shop under the benchmarks' own project name."""
    shutil.copytree(ROOT / "examples" / "shop", target, ignore=CACHES)
    file = target / "kilter.yaml"
    text = file.read_text()
    renamed = text.replace("name: shop\n", f"name: {NAME}\n", 1)
    if renamed == text:
        raise Failed(f"{file} does not name the project `shop`")
    file.write_text(renamed)


@dataclass
class Shop:
    """Drives kilter for the copy of the shop in `base`."""

    base: Path
    home: Path
    binary: Path
    is_up: bool = field(default=False, init=False)
    node_image: str = field(default="", init=False)  # known after the first `up`

    @property
    def directory(self) -> Path:
        """The copy of the project."""
        return self.base / "shop"

    @property
    def environment(self) -> dict[str, str]:
        """See `user_environment`."""
        return user_environment(os.environ, self.home)

    @property
    def data(self) -> Path:
        """Kilter's records of the project."""
        return self.home / ".local" / "share" / "kilter" / NAME

    def prepare(self) -> None:
        """Make the copy and the HOME."""
        self.home.mkdir(parents=True, exist_ok=True)
        copy_example(self.directory)

    def kilter(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """Run kilter in the project's folder."""
        return run([self.binary, *arguments], env or self.environment, cwd=self.directory)

    def json(self, *arguments: str) -> Any:
        """Run a reading verb and return its document."""
        return json.loads(self.kilter(*arguments, "--json").out)

    def docker(self, *arguments: str) -> str:
        """Run the docker CLI."""
        return run(["docker", *arguments], self.environment).out

    def refuse_left_over(self, node: str) -> None:
        """Refuse a machine that has a container of a name that this run is going to use and to remove."""
        if self.docker("ps", "--all", "--quiet", "--filter", f"name=^/?{node}$").strip():
            raise Failed(f"the container {node} is left from another run; `docker rm -fv {node}` removes it")

    def url(self, path: str = "") -> str:
        """Return an address of the app on this machine."""
        rows = self.json("env")["variables"]
        addresses = [row["localhost"] or "" for row in rows if row["name"] != "TILT_URL"]
        return next(address for address in addresses if address.startswith("http://")) + path

    def tool(self, name: str) -> Path:
        """Return the tool that kilter uses: its own copy, or the one on PATH where kilter took that."""
        copies = sorted((self.home / ".cache" / "kilter" / "tools.d" / name).glob(f"*/{name}"))
        found = str(copies[-1]) if copies else shutil.which(name)
        if found is None:
            raise Failed(f"{name} is neither in {self.home} nor on PATH")
        return Path(found)

    def up(self) -> tuple[float, str]:
        """Run `kilter up` until the app has answered; return the seconds and the table of `--timings`."""
        began = time.monotonic()
        ended = self.kilter("up", "--timings")
        await_answer(self.url("/greeting"))
        seconds = time.monotonic() - began
        self.is_up = True
        self.node_image = self.docker("inspect", "--format", "{{.Config.Image}}", NODE).strip()
        return seconds, ended.out

    def ensure_up(self) -> None:
        """Bring the project up if this run has not yet."""
        if not self.is_up:
            self.up()

    def stop(self) -> float:
        """Run `kilter stop`; return the seconds."""
        self.is_up = False
        return self.kilter("stop").seconds

    def destroy(self) -> None:
        """Delete cluster and data; ports and credentials stay."""
        self.is_up = False
        self.kilter("destroy", "--yes", "--no-snapshot")

    def remove(self) -> None:
        """Remove everything of the project from the machine, whatever state it is in, and the images built of it."""
        self.is_up = False
        try:
            self.kilter("destroy", "--yes", "--no-snapshot", "--purge")
        finally:
            run(["docker", "rm", "--force", "--volumes", NODE], self.environment, ok=False)
            images = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
            if built := [image for image in images if image.startswith(BUILT) and not image.endswith(":<none>")]:
                run(["docker", "rmi", "--force", *built], self.environment, ok=False)

    def tilt_pid(self) -> int:
        """Return the process of the project's Tilt, by kilter's own record."""
        return int(json.loads((self.data / "tilt" / "tilt.json").read_text())["pid"])
