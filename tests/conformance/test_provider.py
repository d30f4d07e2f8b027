"""What every provider must do, proved on real clusters. One cluster is shared by the tests that only use it."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conformance.conftest import cluster_config
from harness.ports import free_port

from kilter.clusters import kubeconfig
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import context_name, creation_mark, node_name
from kilter.clusters.provider import State
from kilter.errors import Busy, KilterError, MachineLacks, NotFound, NotReady
from kilter.proc import Command, SubprocessRunner
from kilter.state.paths import Paths
from kilter.tools import docker

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def users_file() -> Iterator[Path]:
    """The user's own kubeconfig, looked at before and after everything in this module."""
    file = Path.home() / ".kube" / "config"
    before = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
    yield file
    assert (hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None) == before


@pytest.fixture(scope="module")
def port() -> int:
    """The port that the shared cluster maps; the random names of these tests own none in the user's records."""
    return free_port()


@pytest.fixture
def other_port(port: int) -> int:
    return free_port(port)


@pytest.fixture(scope="module")
def project(provider: KindProvider, paths: Paths, image: str, users_file: Path, port: int) -> Iterator[str]:
    name = f"conf-{secrets.token_hex(4)}"
    try:
        provider.create(name, cluster_config(paths, name, port), image)
        yield name
    finally:
        provider.runner.run(docker.remove(node_name(name), missing_ok=True))
        shutil.rmtree(paths.project_data(name), ignore_errors=True)


def kubectl(provider: KindProvider, project: str, *arguments: str, stdin: str | None = None) -> str:
    command = docker.execute(
        node_name(project), "kubectl", "--kubeconfig", kubeconfig.ADMIN_FILE, *arguments, stdin=stdin
    )
    return provider.runner.run(command).stdout


@pytest.mark.requirement("LC-2", "NS-2", "NS-3")
def test_a_created_cluster_runs_and_is_found(provider: KindProvider, project: str, image: str, port: int) -> None:
    found = provider.find(project)
    assert found.state is State.RUNNING
    assert found.image == image
    assert port in found.ports
    assert project in [one.project for one in provider.all()]
    assert not creation_mark(provider.paths, project).exists()


@pytest.mark.requirement("NS-11", "NS-12", "NS-Q8", "NS-Q11", "NS-10")
def test_the_kubeconfig_holds_one_context_and_is_made_again_when_missing(
    provider: KindProvider, project: str, users_file: Path
) -> None:
    file = provider.kubeconfig(project)
    text = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each["name"] for each in yaml.safe_load(text)["contexts"]] == [context_name(project)]
    file.unlink()
    assert provider.kubeconfig(project).read_text() == text
    file.write_text("broken")
    assert provider.kubeconfig(project).read_text() == text


@pytest.mark.requirement("LC-Q7")
def test_creating_twice_is_refused_and_leaves_the_first_alone(
    provider: KindProvider, paths: Paths, project: str, image: str, port: int
) -> None:
    before = provider.find(project)
    with pytest.raises(Busy, match="has a cluster already"):
        provider.create(project, cluster_config(paths, project, port), image)
    assert provider.find(project) == before


@pytest.mark.requirement("LC-10", "LC-17", "LC-19", "LC-Q19", "LC-Q7", "LC-Q20")
def test_stop_and_start_keep_objects_and_data(provider: KindProvider, paths: Paths, project: str) -> None:
    kubectl(provider, project, "create", "configmap", "kept", "--from-literal=a=b", "--namespace=default")
    inside = docker.execute(node_name(project), "sh", "-c", "echo kept > /var/local-path-provisioner/row")
    provider.runner.run(inside)
    assert provider.stop(project, grace=10)
    assert provider.find(project).state is State.STOPPED
    assert not provider.stop(project, grace=10)
    with pytest.raises(NotReady):
        provider.kubeconfig(project)
    assert provider.start(project, timeout=120).state is State.RUNNING
    assert "kept" in kubectl(provider, project, "get", "configmap", "kept", "--namespace=default", "--output=name")
    assert (paths.volumes(project) / "row").read_text() == "kept\n"
    assert provider.start(project, timeout=30).state is State.RUNNING
    policy = Command(("docker", "inspect", "--format", "{{.HostConfig.RestartPolicy.Name}}", node_name(project)))
    assert provider.runner.run(policy).stdout.strip() == "unless-stopped"


@pytest.mark.requirement("LC-25", "LC-Q19")
def test_a_node_that_was_killed_starts_again(provider: KindProvider, project: str) -> None:
    provider.runner.run(docker.kill(node_name(project)))
    assert provider.find(project).state is State.STOPPED
    assert provider.start(project, timeout=120).state is State.RUNNING


@pytest.mark.requirement("LC-11", "LC-Q7", "LC-Q10")
def test_deleting_takes_the_data_and_twice_is_fine(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, other_port: int
) -> None:
    provider.create(fresh_name, cluster_config(paths, fresh_name, other_port), image)
    script = "cd /var/local-path-provisioner && mkdir pvc && touch pvc/row && chown -R 999 pvc && chmod 700 pvc"
    provider.runner.run(docker.execute(node_name(fresh_name), "sh", "-c", script))
    assert (paths.volumes(fresh_name) / "pvc" / "row").exists()
    assert provider.delete(fresh_name)
    assert provider.find(fresh_name).state is State.ABSENT
    assert list(paths.volumes(fresh_name).iterdir()) == []
    assert not provider.delete(fresh_name)
    with pytest.raises(NotFound):
        provider.start(fresh_name, timeout=1)


@pytest.mark.requirement("LC-Q10")
@pytest.mark.may_skip
def test_a_node_with_a_frozen_pod_is_deleted_too(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, other_port: int
) -> None:
    """On cgroup v1 it hears of no signal; what killed it in that moment leaves a pod so."""
    if not Path("/sys/fs/cgroup/freezer").is_dir():
        pytest.skip("what is frozen dies on cgroup v2")
    provider.create(fresh_name, cluster_config(paths, fresh_name, other_port), image)
    freeze = "mkdir $1 && { sleep 1000 > /dev/null 2>&1 & } && echo $! > $1/tasks && echo FROZEN > $1/freezer.state"
    freeze = freeze.replace("$1", "/sys/fs/cgroup/freezer/pod")
    provider.runner.run(docker.execute(node_name(fresh_name), "sh", "-c", freeze))
    assert provider.delete(fresh_name)
    assert provider.find(fresh_name).state is State.ABSENT


@pytest.mark.requirement("LC-Q21")
def test_data_outlives_a_node_removed_outside_kilter_until_it_is_deleted(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, other_port: int
) -> None:
    provider.create(fresh_name, cluster_config(paths, fresh_name, other_port), image)
    provider.runner.run(docker.execute(node_name(fresh_name), "sh", "-c", "touch /var/local-path-provisioner/row"))
    provider.runner.run(docker.remove(node_name(fresh_name)))
    assert provider.find(fresh_name).state is State.ABSENT
    assert (paths.volumes(fresh_name) / "row").exists()
    assert provider.delete(fresh_name)
    assert not (paths.volumes(fresh_name) / "row").exists()


@pytest.mark.requirement("NS-Q3", "NS-Q2")
def test_a_foreign_cluster_is_never_touched(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, tmp_path: Path, other_port: int
) -> None:
    other = Command(
        ("docker", "run", "--detach", "--name", node_name(fresh_name), "--entrypoint", "sleep", image, "600")
    )
    provider.runner.run(other)
    before = provider.find(fresh_name)
    assert before.state is State.FOREIGN
    for attempt in (
        lambda: provider.create(fresh_name, cluster_config(paths, fresh_name, other_port), image),
        lambda: provider.start(fresh_name, 1),
        lambda: provider.stop(fresh_name, 1),
        lambda: provider.delete(fresh_name),
        lambda: provider.kubeconfig(fresh_name),
    ):
        with pytest.raises(Busy, match="is not this project's"):
            attempt()
    assert provider.find(fresh_name) == before


@pytest.mark.requirement("LC-Q22", "NS-Q16")
def test_a_creation_that_fails_leaves_nothing_and_says_why(
    provider: KindProvider, paths: Paths, project: str, image: str, fresh_name: str, port: int
) -> None:
    with pytest.raises(MachineLacks, match="holds one of the project's ports"):
        provider.create(fresh_name, cluster_config(paths, fresh_name, port), image)
    assert provider.find(fresh_name).state is State.ABSENT
    assert not creation_mark(paths, fresh_name).exists()


@pytest.mark.requirement("LC-Q22")
def test_a_creation_that_is_interrupted_leaves_nothing(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, other_port: int
) -> None:
    class Interrupted(SubprocessRunner):
        def run(self, command: Command):  # type: ignore[no-untyped-def]
            outcome = super().run(command)
            if "create" in command.argv:
                raise KeyboardInterrupt
            return outcome

    cut_off = KindProvider(Interrupted(), paths, provider.binary, provider.environment)
    with pytest.raises(KeyboardInterrupt):
        cut_off.create(fresh_name, cluster_config(paths, fresh_name, other_port), image)
    assert provider.find(fresh_name).state is State.ABSENT


@pytest.mark.requirement("LC-Q22")
def test_a_creation_that_was_killed_is_done_again(
    provider: KindProvider, paths: Paths, image: str, fresh_name: str, other_port: int
) -> None:
    config = cluster_config(paths, fresh_name, other_port)
    provider.create(fresh_name, config, image)
    creation_mark(paths, fresh_name).touch()  # as if kilter had been killed before the end
    first = provider.find(fresh_name)
    assert first.state is State.UNFINISHED
    with pytest.raises(KilterError):
        provider.start(fresh_name, timeout=5)
    second = provider.create(fresh_name, config, image)
    assert second.state is State.RUNNING
    assert second.container is not None
    assert first.container is not None
    assert second.container.id != first.container.id
