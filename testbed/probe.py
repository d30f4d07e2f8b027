"""Whether this machine needs the testbed at all: a working Docker that reaches the public registries does not."""

import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping

from testbed import pins
from testbed.home import Home


def public_registry() -> str:
    """The API of the registry that the node's images come from."""
    return f"https://{pins.PAUSE_IMAGE.partition('/')[0]}/v2/"


def docker_works(environment: Mapping[str, str]) -> bool:
    """Whether a Docker that is not the testbed's own answers."""
    if not shutil.which("docker", path=environment.get("PATH")):
        return False
    try:
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        return (
            subprocess.run(command, env=dict(environment), check=False, capture_output=True, timeout=10).returncode == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


def registry_answers(address: str, timeout: float = 4.0) -> bool:
    """One short request; any HTTP answer counts."""
    try:
        with urllib.request.urlopen(address, timeout=timeout):
            return True
    except urllib.error.HTTPError as problem:
        return problem.code in (200, 401)
    except (OSError, ssl.SSLError, ValueError):
        return False


def why_needed(home: Home) -> str:
    """Why this machine needs the testbed; empty where Docker and the registries are there already."""
    if os.environ.get("KILTER_TESTBED") == "force":
        return "KILTER_TESTBED=force says so"
    environment = dict(os.environ)
    if environment.get("DOCKER_HOST") == f"unix://{home.socket}":
        del environment["DOCKER_HOST"]
    if not docker_works(environment):
        return "no Docker answers here"
    return "" if registry_answers(public_registry()) else f"{public_registry()} does not answer"
