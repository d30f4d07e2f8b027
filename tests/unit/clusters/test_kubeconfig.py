from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fakes import FakeRunner
from msgspec.structs import replace

from kilter.clusters import kubeconfig
from kilter.clusters.provider import BeyondRepair
from kilter.proc import Outcome
from kilter.state.paths import Paths
from kilter.tools import docker
from kilter.tools.docker import Container

ADMIN = """
apiVersion: v1
clusters: [{name: kilter-shop, cluster: {certificate-authority-data: Q0E=, server: https://node:6443}}]
contexts: [{name: kubernetes-admin@kilter-shop, context: {cluster: kilter-shop, user: kubernetes-admin}}]
current-context: kubernetes-admin@kilter-shop
users: [{name: kubernetes-admin, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}]
"""
NODE = Container("abc", "kilter-shop-control-plane", "i", "s", "running", "", published={"6443/tcp": (35599,)})
READ = docker.execute("abc", "cat", kubeconfig.ADMIN_FILE).argv


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.mark.requirement("NS-12", "NS-Q8", "NS-Q11", "NS-13")
def test_the_file_has_one_context_named_after_the_project_and_is_closed_to_others(paths: Paths) -> None:
    file = kubeconfig.ensure_for(FakeRunner({READ: ADMIN}), paths, "shop", NODE)
    text = file.read_text()
    assert file == paths.kubeconfig("shop")
    assert file.stat().st_mode & 0o777 == 0o600
    name = "kind-kilter-shop"
    server = {"certificate-authority-data": "Q0E=", "server": "https://127.0.0.1:35599"}
    assert yaml.safe_load(text) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": name, "user": {"client-certificate-data": "Q0VSVA==", "client-key-data": "S0VZ"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "shop-dev"}}],
        "current-context": name,
    }


def test_a_fitting_file_is_kept_without_a_question(paths: Paths) -> None:
    kubeconfig.ensure_for(FakeRunner({READ: ADMIN}), paths, "shop", NODE)
    assert kubeconfig.ensure_for(FakeRunner(), paths, "shop", NODE) == paths.kubeconfig("shop")


@pytest.mark.requirement("NS-Q11", "LC-Q18")
def test_a_file_that_does_not_fit_is_made_again(paths: Paths) -> None:
    runner = FakeRunner({READ: ADMIN})
    file = kubeconfig.ensure_for(runner, paths, "shop", NODE)
    good = file.read_text()

    def spoil(text: str, mode: int = 0o600) -> None:
        file.write_text(text, encoding="latin-1")
        file.chmod(mode)

    spoiled: list[Callable[[], object]] = [
        lambda: spoil(""),
        lambda: spoil(good[: len(good) // 2]),
        lambda: spoil(good + "# \xff\n"),
        lambda: spoil(good.replace("35599", "1")),
        lambda: spoil(good.replace("current-context: kind-kilter-shop", "current-context: production")),
        lambda: spoil(good.replace("contexts:\n", "contexts:\n- name: production\n  context: {}\n")),
        lambda: spoil(good, 0o640),
        lambda: spoil(good, 0o604),
        file.unlink,
    ]
    for spoiling in spoiled:
        spoiling()
        assert kubeconfig.ensure_for(runner, paths, "shop", NODE).read_text() == good
        assert file.stat().st_mode & 0o777 == 0o600
    assert len(runner.commands) == 1 + len(spoiled)


@pytest.mark.parametrize("fits", [False, True])
def test_a_link_is_replaced_and_never_written_through(paths: Paths, tmp_path: Path, fits: bool) -> None:
    """Nor read through: what it leads to may be others' to change."""
    target = tmp_path / "mine"
    kubeconfig.ensure_for(FakeRunner({READ: ADMIN}), paths, "shop", NODE).rename(target)
    text = target.read_text() if fits else "keep"
    target.write_text(text)
    paths.kubeconfig("shop").symlink_to(target)
    kubeconfig.ensure_for(FakeRunner({READ: ADMIN}), paths, "shop", NODE)
    assert target.read_text() == text
    assert not paths.kubeconfig("shop").is_symlink()


@pytest.mark.requirement("LC-Q19")
def test_a_node_without_credentials_or_a_published_api_is_beyond_repair_and_says_what_is_left(paths: Paths) -> None:
    with pytest.raises(BeyondRepair, match="has no credentials") as caught:
        kubeconfig.ensure_for(FakeRunner({READ: Outcome(1, "", "No such file")}), paths, "shop", NODE)
    assert "`kilter up --recreate`" in caught.value.hint
    assert "takes over the services' data" in caught.value.hint
    with pytest.raises(BeyondRepair, match="publishes no API server"):
        kubeconfig.ensure_for(FakeRunner(), paths, "shop", replace(NODE, published={}))


@pytest.mark.parametrize("text", ["", "[]", "clusters: []\nusers: []", "{", ADMIN.replace("client-key-data", "exec")])
def test_credentials_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(BeyondRepair, match="cannot be read") as caught:
        kubeconfig.compose(text, "c", "n", "https://127.0.0.1:1")
    assert caught.value.exit_code == 10


def test_a_file_leads_to_the_server_that_any_of_its_clusters_names(tmp_path: Path) -> None:
    """Others may be named in it, and what only looks like an address is none."""
    servers, file = ["https://127.0.0.1:35599"], tmp_path / "kubeconfig"
    assert not kubeconfig.leads_to(file, servers)
    file.write_text("clusters:\n    server: https://127.0.0.1:1\n    server: https://127.0.0.1:35599\n")
    assert kubeconfig.leads_to(file, servers)
    file.write_bytes(b"\xff\n    server: https://127.0.0.1:1\nhttps://127.0.0.1:35599\n")
    assert not kubeconfig.leads_to(file, servers)
