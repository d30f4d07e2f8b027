"""What is measured, so that a result can be told from that of another state: the checkout and the platform's image."""

import os
import subprocess
from collections.abc import Mapping

from bench.shop import ROOT

IMAGE = os.environ.get("KILTER_PLATFORM_IMAGE", "kilter:dev")
COMMIT = ("git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty")
IMAGE_ID = ("docker", "image", "inspect", "--format", "{{.Id}}", IMAGE)


def subject(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Return the commit, with `-dirty` where files differ from it, and the image's id; None where there is none."""
    return {"commit": told(COMMIT, environment), "image": told(IMAGE_ID, environment)}


def told(command: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    """Return the line that a command prints, or None."""
    try:
        done = subprocess.run(command, cwd=ROOT, env=dict(environment), check=False, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
