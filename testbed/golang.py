"""The Go toolchain and builds with it: caches in the testbed's home, versions in the committed go.mod and go.sum."""

import os
import re
import shlex
import shutil
from pathlib import Path

from testbed import debian, pins
from testbed.work import RECIPES, Work

MODULES = RECIPES / "go"
REGISTRY_MODULE = "github.com/distribution/distribution/v3"
LEGO = "github.com/go-acme/lego/v4"
TRAEFIK = "github.com/traefik/traefik/v3"
# One dependency of Tilt has no entry in the checksum database; the committed go.sum pins it.
UNLISTED = "github.com/tilt-dev/*"


def new_enough(told: str) -> bool:
    """Whether `go version` tells of a Go that builds all modules."""
    found = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", told)
    return found is not None and tuple(int(part or 0) for part in found.groups()) >= pins.GO_MINIMUM


def toolchain(work: Work, target: Path) -> None:
    """A `go` command: the machine's own if new enough, else Debian's, which fetches the pinned one as a module."""
    own = shutil.which("go", path=work.environment.get("PATH"))
    target.mkdir(parents=True, exist_ok=True)
    if own and new_enough(work.read(own, "version", extra={"GOTOOLCHAIN": "local"})):
        (target / "go").write_text(f'#!/bin/sh\nexec {shlex.quote(own)} "$@"\n')
    else:
        scratch = target / "scratch"
        debian.unpack(work, pins.DEBIAN_NEW, ("golang-1.24-go", "golang-1.24-src"), target / "tree", scratch)
        shutil.rmtree(scratch)
        program = shlex.quote(str(work.home.artefact("go") / "tree/usr/lib/go-1.24/bin/go"))
        (target / "go").write_text(f'#!/bin/sh\nexport GOROOT="" GOTOOLCHAIN=go{pins.GO}\nexec {program} "$@"\n')
    (target / "go").chmod(0o755)


def leads_somewhere(artefact: Path) -> bool:
    """Whether the Go is still there that a toolchain calls: the machine's own is removed by whoever installed it."""
    try:
        called = shlex.split((artefact / "go").read_text().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return False
    return called[:1] == ["exec"] and Path(called[1]).is_file()


def environment(work: Work) -> dict[str, str]:
    """The variables every build runs with."""
    return {
        "PATH": f"{work.home.artefact('go')}:{work.environment.get('PATH', os.defpath)}",
        "GOCACHE": str(work.home.root / "go-build"),
        "GOMODCACHE": str(work.home.root / "go-mod"),
        "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
        "GOTOOLCHAIN": "local",
        "GONOSUMDB": UNLISTED,
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        # For the nodes and this machine, whatever somebody compiles for otherwise.
        "GOOS": "linux",
        "GOARCH": "amd64",
        "GOAMD64": "v1",
    }


def build(work: Work, folder: Path, target: Path, *packages: str, stamp: str = "") -> None:
    """Build commands of one module folder into `target/bin`."""
    (target / "bin").mkdir(parents=True, exist_ok=True)
    flags = f"-s -w {stamp}".strip()
    command = ("go", "build", f"-ldflags={flags}", "-o", f"{target}/bin/", *packages)
    work.run(*command, cwd=folder, extra=environment(work))


def kubernetes(work: Work, target: Path) -> None:
    """All of Kubernetes as one binary; etcd, CoreDNS and the provisioner beside it from the same module graph."""
    stamps = []
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        major, minor, _ = pins.KUBERNETES.split(".")
        values = {
            "gitVersion": f"v{pins.KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean",
            "gitCommit": "0" * 40, "buildDate": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        stamps += [f"-X {package}.{name}={value}" for name, value in values.items()]
    folder, stamp = MODULES / "kubernetes", " ".join(stamps)
    build(work, folder, target, ".", "./coredns", "./pause", "go.etcd.io/etcd/server/v3", stamp=stamp)
    # By itself: its logging library collides by name with Kubernetes' own when both are loaded at once.
    build(work, folder, target, "github.com/rancher/local-path-provisioner", stamp=stamp)
    (target / "bin/server").rename(target / "bin/etcd")


def policies(work: Work, target: Path) -> None:
    """What enforces network policies on a node."""
    build(work, MODULES / "policies", target, ".")


def kind(work: Work, target: Path) -> None:
    """kind, unchanged."""
    build(work, MODULES / "kind", target, "sigs.k8s.io/kind")


def registry(work: Work, target: Path) -> None:
    """The Distribution registry with its local storage drivers."""
    build(work, MODULES / "registry", target, ".", stamp=f"-X {REGISTRY_MODULE}/version.version=v{pins.REGISTRY}")


def module_copy(work: Work, folder: Path, module: str, name: str) -> Path:
    """Copy a module's source into a module folder, which replaces the module by that copy; returns the copy."""
    told = work.read("go", "mod", "download", "-json", module, cwd=folder, extra=environment(work))
    found = re.search(r'"Dir": "([^"]+)"', told)
    return Path(shutil.copytree(found[1] if found else "", folder / name))


def tilt(work: Work, target: Path) -> None:
    """Tilt from a copy of its module, because it embeds a web page that only its own release process makes."""
    folder = target / "work"
    shutil.copytree(MODULES / "tilt", folder)
    page = module_copy(work, folder, f"github.com/tilt-dev/tilt@v{pins.TILT}", "source") / "pkg/assets/build"
    page.chmod(0o755)
    shutil.copyfile(folder / "index.html", page / "index.html")
    build(
        work, folder, target, "github.com/tilt-dev/tilt/cmd/tilt",
        stamp=f"-X main.version={pins.TILT} -X main.date=2026-01-01",
    )  # fmt: skip
    work.run("rm", "-rf", folder)


def platform(work: Work, target: Path) -> None:
    """Flux, Traefik and metrics-server from one module graph that keeps Kubernetes' versions of what they share."""
    folder = target / "work"
    shutil.copytree(MODULES / "platform", folder)
    for module, name in ((f"{LEGO}@v{pins.LEGO}", "lego"), (f"{TRAEFIK}@v{pins.TRAEFIK}", "traefik")):
        stand_in(module_copy(work, folder, module, name), folder / "stand-ins" / name)
    flux = (f"github.com/fluxcd/{name}" for name in pins.FLUX)
    build(
        work, folder, target, *flux, f"{TRAEFIK}/cmd/traefik", "sigs.k8s.io/metrics-server/cmd/metrics-server",
        stamp=f"-X {TRAEFIK}/pkg/version.Version={pins.TRAEFIK}",
    )  # fmt: skip
    work.run("rm", "-rf", folder)


def stand_in(source: Path, replacements: Path) -> None:
    """Replace the Go files of some packages in a module's source by those that stand in for them."""
    for package in {file.parent.relative_to(replacements) for file in replacements.rglob("*.go")}:
        (source / package).chmod(0o755)
        for file in (source / package).glob("*.go"):
            file.unlink()
        for file in (replacements / package).glob("*.go"):
            shutil.copyfile(file, source / package / file.name)
