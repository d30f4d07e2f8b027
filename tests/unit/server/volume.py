"""A registry's volume as registry:3 lays it out; tests/conformance/test_registry_volume.py has a real one."""

import os
from pathlib import Path

from kilter.server.registry_volume import QUIET

A, B, C = (letter * 64 for letter in "abc")
NOW = 1_800_000_000.0
LONG_AGO = NOW - 10 * QUIET


class Volume:
    """A registry's volume, written as the registry does; every change bears the time `at`."""

    def __init__(self, path: Path) -> None:
        self.path, self.at = path, LONG_AGO
        self.root = path / "docker/registry/v2/repositories"
        self.root.mkdir(parents=True)

    def write(self, name: str, text: str = "") -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.date(file, file.parent)
        return file

    def date(self, *paths: Path) -> None:
        for path in paths:
            os.utime(path, (self.at, self.at))

    def layer(self, repository: str, digest: str) -> None:
        self.write(f"{repository}/_layers/sha256/{digest}/link", f"sha256:{digest}")
        (self.root / repository / "_uploads").mkdir(exist_ok=True)

    def push(self, repository: str, manifest: str = A, *, layers: str = "", tag: str = "") -> None:
        for layer in (layers or manifest, C):
            self.layer(repository, layer)
        self.write(f"{repository}/_manifests/revisions/sha256/{manifest}/link", f"sha256:{manifest}")
        (self.root / repository / "_manifests/tags").mkdir(exist_ok=True)
        for place in ("current", f"index/sha256/{manifest}") if tag else ():
            self.write(f"{repository}/_manifests/tags/{tag}/{place}/link", f"sha256:{manifest}")

    def delete(self, repository: str, manifest: str = A) -> None:
        """Delete a manifest by the API: its link goes, the folder of it stays."""
        link = self.root / repository / f"_manifests/revisions/sha256/{manifest}/link"
        link.unlink()
        self.date(link.parent)

    def upload(self, repository: str) -> None:
        upload = f"{repository}/_uploads/a79287a8-827f-4678-b9cf-c105850be95a"
        for name in ("data", "startedat", "hashstates/sha256/0"):
            self.date(self.write(f"{upload}/{name}").parent)
        self.date(*(self.root / upload / name for name in ("hashstates", ".")))

    def tree(self, below: str = "") -> list[str]:
        root = self.root / below
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))
