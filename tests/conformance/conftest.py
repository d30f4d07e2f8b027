"""What the conformance tests share: the real engine, folders of their own, and cleaning up whatever they made."""

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilter.clusters import engine
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import node_name
from kilter.errors import KilterError
from kilter.proc import SubprocessRunner
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import docker
from kilter.tools.provision import provide
from kilter.tools.versions import KIND, NODE_IMAGE

from .apiserver import CONTROLLERS, MISSING, ApiServer, binaries
from .pretend import FolderGit, Pretend, clear, install


@pytest.fixture(scope="session")
def runner() -> SubprocessRunner:
    """The real runner; without a container engine the tests are skipped, and say so."""
    real = SubprocessRunner()
    try:
        engine.check(real, os.environ)
    except KilterError as error:
        pytest.skip(f"no container engine: {error.what}")
    return real


@pytest.fixture(scope="session")
def api() -> Iterator[ApiServer]:
    """A Kubernetes API server without nodes, with the few controllers that the operator's work shows by."""
    programs = binaries()
    if programs is None:
        pytest.skip(MISSING)
    with ApiServer(programs, CONTROLLERS) as server:
        yield server


@pytest.fixture(scope="module")
def platform(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretend]:
    """What a cluster without nodes lacks, played, with a Git folder of the module's own; KilterApps go at the end."""
    install(api)
    with Pretend(api, FolderGit(tmp_path_factory.mktemp("git"))) as pretend:
        yield pretend
    clear(api)


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    root = tmp_path_factory.mktemp("kilter")
    return Paths(root / "data", root / "cache")


@pytest.fixture(scope="session")
def provider(runner: SubprocessRunner, paths: Paths) -> KindProvider:
    return KindProvider(runner, paths, lambda: provide(KIND, runner, paths, os.environ, Recorder()), os.environ)


@pytest.fixture(scope="session")
def image() -> str:
    return os.environ.get("KILTER_NODE_IMAGE", NODE_IMAGE)


@pytest.fixture
def fresh_name(runner: SubprocessRunner, paths: Paths) -> Iterator[str]:
    """A project name that nobody has; its node and data are removed whatever happens."""
    name = f"conf-{secrets.token_hex(4)}"
    yield name
    runner.run(docker.remove(node_name(name), missing_ok=True))
    shutil.rmtree(paths.project_data(name), ignore_errors=True)


def cluster_config(paths: Paths, project: str, base: int, *more: int, identity: Path | None = None) -> str:
    """The smallest config that a provider needs: the mark, the data folder, mapped ports, cgroup v1 allowed."""
    ports = "\n".join(
        f"  - {{containerPort: {port}, hostPort: {port}, listenAddress: 127.0.0.1}}" for port in (base, *more)
    )
    return f"""
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {{apiServerAddress: 127.0.0.1}}
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  failCgroupV1: false
nodes:
- role: control-plane
  extraPortMappings:
{ports}
  extraMounts:
  - {{hostPath: "{identity or paths.identity(project)}", containerPath: /kilter, readOnly: true}}
  - {{hostPath: "{paths.volumes(project)}", containerPath: /var/local-path-provisioner}}
"""
