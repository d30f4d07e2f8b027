"""Builds the image of the platform's programs: `build_image.py TAG [--platform linux/arm64] [--push]`."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from kilter.errors import BadInput, KilterError, MachineLacks, in_one_line
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.provision import bring
from kilter.tools.versions import HELM, Platform

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = ROOT / "build" / "image"
EXTRAS = ("server", "operator")
ENGINE = ("docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}")


def main(tag: str, platform: str, *, push: bool) -> int:
    """Make the context, build, and push where that is wanted; returns docker's exit code."""
    target = of_linux(platform or os.environ.get("DOCKER_DEFAULT_PLATFORM") or asked(*ENGINE))
    shutil.rmtree(CONTEXT, ignore_errors=True)
    CONTEXT.mkdir(parents=True)
    uv = shutil.which("uv") or str(ROOT / "build/uv/bin/uv")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", str(CONTEXT))
    (CONTEXT / ".gitignore").unlink(missing_ok=True)
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    # Without a header, in which the folder's name would keep one checkout from using the layers of another.
    run(uv, "export", "--quiet", "--frozen", "--no-header", "--no-dev", "--no-emit-project", *extras,
        "--output-file", str(CONTEXT / "requirements.txt"))  # fmt: skip
    # The pinned one for the image's platform, whatever this machine is and has on PATH.
    helm = bring(HELM, target, Paths.from_environment(os.environ), os.environ, Recorder())
    shutil.copy(helm, CONTEXT / "helm")
    wanted = ("--platform", platform) if platform else ()
    run("docker", "build", *wanted, "--file", str(ROOT / "images" / "Dockerfile"), "--tag", tag, str(CONTEXT))
    if push:
        run("docker", "push", "--quiet", tag)
    return 0


def of_linux(platform: str) -> Platform:
    """Read a platform, as Docker writes them; raises BadInput for one that the image is not built for."""
    found = tuple(platform.strip().split("/"))
    if found[:1] != ("linux",) or found[:2] not in HELM.files:
        raise BadInput(f"there is no image for {platform}", hint="build it for linux/amd64 or linux/arm64")
    return found[0], found[1]


def asked(*command: str) -> str:
    """Return what a command prints; its failure ends the build. Raises MachineLacks where there is no such program."""
    if not shutil.which(command[0]):
        raise MachineLacks(f"there is no `{command[0]}` on PATH", hint="`make testbed` gives this machine one")
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(*command: str) -> None:
    """Run a command; its failure ends the build."""
    subprocess.run(command, cwd=ROOT, check=True)


def read(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="build_image.py", description=__doc__)
    parser.add_argument("tag")
    parser.add_argument("--platform", default="", help="what the nodes are; by default what Docker builds for")
    parser.add_argument("--push", action="store_true")
    return parser.parse_args(words)


if __name__ == "__main__":
    given = read(sys.argv[1:])
    try:
        sys.exit(main(given.tag, given.platform, push=given.push))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
    except KilterError as wrong:
        sys.exit(in_one_line(wrong))
