"""The container engine: is it there, is it here, and what can it do."""

from collections.abc import Mapping
from pathlib import Path

from kilter.errors import Failed, KilterError, MachineLacks
from kilter.proc import Runner
from kilter.tools import docker
from kilter.tools.docker import Engine

INSTALL = "install Docker: https://docs.docker.com/engine/install/"
ALLOW_REMOTE = "KILTER_ALLOW_REMOTE_DOCKER"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def check(runner: Runner, env: Mapping[str, str]) -> Engine:
    """Return the engine's facts. Raises MachineLacks when docker is missing, down, forbidden, or on another host.

    An engine on another host would put every `localhost` address elsewhere (LC-Q4); `env` holds the way to allow it.
    """
    address = address_of(runner, env)
    if not is_local(address) and env.get(ALLOW_REMOTE) != "1":
        raise MachineLacks(
            f"Docker runs on another host: {address}",
            why="the project's addresses are on localhost and its files are mounted from this machine",
            hint=f"unset DOCKER_HOST, or `docker context use default`; {ALLOW_REMOTE}=1 takes it as it is",
        )
    return answering(runner, address)


def answering(runner: Runner, address: str) -> Engine:
    """Return the facts of an engine, wherever it is. Raises MachineLacks when it is down, or forbidden."""
    engine = docker.parse_info(runner.run(docker.info()))
    if not engine.version or engine.faults:
        raise _silent(address, engine)
    return engine


def address_of(runner: Runner, env: Mapping[str, str]) -> str:
    """Return the address by which the docker CLI reaches the engine. Raises MachineLacks without a docker CLI."""
    try:
        return runner.run(docker.endpoint()).stdout.strip()
    except MachineLacks as error:
        raise MachineLacks("Docker is not installed", why=error.why, hint=INSTALL) from error
    except Failed:
        return env.get("DOCKER_HOST", "")  # a docker CLI without contexts


def config_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of the docker CLI's own settings: proxies, contexts, certificates."""
    return Path(env.get("DOCKER_CONFIG") or f"{env.get('HOME', '')}/.docker")


def is_local(address: str) -> bool:
    """Tell whether a Docker address is on this machine: a socket file, a pipe, or the loopback."""
    scheme, _, rest = address.partition("://")
    if scheme in ("", "unix", "npipe", "fd"):
        return True
    host = rest.rpartition("@")[2].partition("/")[0]
    return scheme == "tcp" and host.rpartition(":")[0] in LOOPBACK


def _silent(address: str, engine: Engine) -> KilterError:
    said = " ".join(engine.faults)
    if "permission denied" in said.lower():
        return MachineLacks(
            "you may not use Docker",
            why=f"{address or 'its socket'} is closed to this user",
            hint="add yourself to the group docker (`sudo usermod -aG docker $USER`) and log in again",
            details=engine.faults,
        )
    return MachineLacks(
        "Docker does not answer",
        why=f"no engine at {address}" if address else "",
        hint="start Docker and try again",
        details=engine.faults,
    )
