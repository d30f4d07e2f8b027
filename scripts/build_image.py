"""Builds the image of the platform's programs: `python scripts/build_image.py TAG [--push]`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kilter.proc import SubprocessRunner
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.provision import provide
from kilter.tools.versions import TOOLS

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = ROOT / "build" / "image"
EXTRAS = ("server", "operator")


def main(tag: str, *, push: bool) -> int:
    """Make the context, build, and push where that is wanted; returns docker's exit code."""
    shutil.rmtree(CONTEXT, ignore_errors=True)
    CONTEXT.mkdir(parents=True)
    uv = shutil.which("uv") or str(ROOT / "build/uv/bin/uv")
    run(uv, "build", "--quiet", "--wheel", "--out-dir", str(CONTEXT))
    (CONTEXT / ".gitignore").unlink(missing_ok=True)
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    # Without a header, in which the folder's name would keep one checkout from using the layers of another.
    run(uv, "export", "--quiet", "--frozen", "--no-header", "--no-dev", "--no-emit-project", *extras,
        "--output-file", str(CONTEXT / "requirements.txt"))  # fmt: skip
    # The pinned one, whatever helm this machine has on PATH.
    alone = {**os.environ, "PATH": ""}
    helm = provide(TOOLS["helm"], SubprocessRunner(), Paths.from_environment(os.environ), alone, Recorder())
    shutil.copy(helm, CONTEXT / "helm")
    run("docker", "build", "--file", str(ROOT / "images" / "Dockerfile"), "--tag", tag, str(CONTEXT))
    if push:
        run("docker", "push", "--quiet", tag)
    return 0


def run(*command: str) -> None:
    """Run a command; its failure ends the build."""
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], push="--push" in sys.argv[2:]))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
