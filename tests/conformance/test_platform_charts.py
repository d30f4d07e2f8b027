"""The platform's charts on a real cluster: installed, used, upgraded, removed and installed again, in this order."""

import base64
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conformance.conftest import cluster_config
from conformance.rights import DENIED, ENV, GIVEN, allowed
from harness.cli import Kilter
from harness.gitserver import serving
from harness.platform import CHARTS, MANIFESTS, SYSTEM, Platform, eventually, git, load
from harness.ports import free_port

from kilter.clusters.kind import KindProvider
from kilter.clusters.node import node_name
from kilter.errors import Failed, KilterError
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import docker
from kilter.tools.provision import provide
from kilter.tools.versions import HELM, KUBECTL
from kilter.words import quantity

pytestmark = pytest.mark.cluster
APP, SERVER, REGISTRY = "shop-dev.apps.test", "kilter.apps.test", "registry.apps.test"
CLOSING = "closing.apps.test"
IDLE = 1.7  # seconds; less than the least that common servers keep a connection open
MARKER = "kilter-repository"  # the first thing that the operator commits


@pytest.fixture(scope="module")
def platform(
    provider: KindProvider, paths: Paths, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """An empty cluster, and beside it a Git server that its pods reach by the address of Docker's network."""
    runner, name, port = provider.runner, f"conf-{secrets.token_hex(4)}", free_port()
    folder = tmp_path_factory.mktemp("git")
    git("init", "--quiet", "--bare", str(folder / "flux.git"))
    helm, kubectl = (provide(tool, runner, paths, os.environ, Recorder()) for tool in (HELM, KUBECTL))
    try:
        provider.create(name, cluster_config(paths, name, port), image)
        load(node_name(name))
        route = runner.run(docker.execute(node_name(name), "ip", "route", "show", "default")).stdout
        host = route.split()[2]
        with serving(folder, host) as served:
            address = f"http://{host}:{served}"
            yield Platform(runner, helm, kubectl, provider.kubeconfig(name), port, folder / "flux.git", address)
    finally:
        runner.run(docker.remove(node_name(name), missing_ok=True))
        shutil.rmtree(paths.project_data(name), ignore_errors=True)


def test_both_charts_install_and_every_pod_gets_ready_under_the_strictest_standard(platform: Platform) -> None:
    platform.kubectl("create", "namespace", SYSTEM)
    platform.kubectl("label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted")
    platform.install()
    platform.await_all()
    running = {pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in platform.get("pods")["items"]}
    assert running == {
        "source-controller", "kustomize-controller", "notification-controller", "traefik", "metrics-server",
        "kilter-registry", "kilter-postgres", "kilter-git", "kilter-server", "kilter-operator",
    }  # fmt: skip


@pytest.mark.requirement("PP-38")
def test_kubectl_top_answers(platform: Platform) -> None:
    read = ("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes")
    answer = eventually(
        lambda: platform.runner.run(platform.command(*read, ok=(0, 1))).stdout, lambda text: '"usage"' in text
    )
    assert (
        quantity(json.loads(answer)["items"][0]["usage"]["memory"]) > 100_000_000
    )  # written `Ki`, or `Mi` where whole
    assert platform.kubectl("top", "nodes").count("\n") == 2


def test_the_database_takes_the_password_of_its_secret_and_no_other(platform: Platform) -> None:
    assert platform.sql("create table kept (x int); insert into kept values (42); select x from kept").endswith("42")
    assert platform.sql("select rolsuper from pg_roles where rolname = current_user") == "t"
    with pytest.raises(KilterError, match="psql"):
        platform.sql("select 1", password="wrong")


@pytest.mark.requirement("DP-Q72")
def test_the_first_token_is_made_once_and_lets_in_at_the_servers_host(platform: Platform) -> None:
    assert eventually(lambda: platform.ask(SERVER, "/healthz")[0], lambda status: status == 200)
    assert platform.ask(SERVER, "/v1/whoami")[0] == 401
    first = platform.in_server("token", "--first")
    status, text, _ = platform.ask(SERVER, "/v1/whoami", {"Authorization": f"Bearer {first}"})
    assert (status, json.loads(text)["role"]) == (200, "admin")
    assert platform.in_server("token", "--first") == ""


@pytest.mark.requirement("DP-Q6", "DP-12")
def test_the_registry_sends_strangers_to_the_server_and_takes_what_the_server_signed(platform: Platform) -> None:
    status, _, headers = eventually(lambda: platform.ask(REGISTRY, "/v2/"), lambda found: found[0] == 401)
    realm = f"http://{SERVER}/v1/registry/token"
    assert headers["www-authenticate"] == f'Bearer realm="{realm}",service="{REGISTRY}"'
    word = platform.in_server("token", "--actor", "ada", "--role", "deployer", "--project", "acme/shop")
    basic = {"Authorization": f"Basic {base64.b64encode(f'ada:{word}'.encode()).decode()}"}
    wanted = f"?service={REGISTRY}&scope=repository:acme/shop:pull,push&scope=repository:other/shop:pull,push"
    status, text, _ = platform.ask(SERVER, f"/v1/registry/token{wanted}", basic)
    assert status == 200, text
    login = {"Authorization": f"Bearer {json.loads(text)['token']}"}
    assert platform.ask(REGISTRY, "/v2/", login)[0] == 200
    mine, foreign = ("/v2/acme/shop/blobs/uploads/", "/v2/other/shop/blobs/uploads/")
    status, _, headers = platform.ask(REGISTRY, mine, login, method="POST")
    assert (status, headers["location"].partition("?")[0].startswith(mine)) == (202, True)
    assert platform.ask(REGISTRY, foreign, login, method="POST")[0] == 401


@pytest.mark.requirement("DP-12")
def test_the_port_of_plain_http_does_not_answer_tls(platform: Platform) -> None:
    """Docker tries TLS first, and stays with it where it is answered."""
    for host in (REGISTRY, "localhost", None):
        assert platform.tls(host).startswith("refused: "), host


@pytest.mark.requirement("DP-Q16")
def test_what_the_operator_writes_to_the_platforms_own_repository_is_applied(platform: Platform) -> None:
    eventually(lambda: platform.condition(SYSTEM, "kilter").get("status"), lambda status: status == "True")
    assert platform.get("configmap", MARKER)["metadata"]["name"] == MARKER


@pytest.mark.requirement("DP-19", "DP-20", "DP-8", "CT-23")
def test_what_is_pushed_is_applied_and_answers_at_its_host(platform: Platform) -> None:
    platform.push("one")
    platform.apply_flux()
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "one\n"), within=180)
    assert platform.condition(SYSTEM, ENV)["status"] == "True"
    assert platform.ask("other.apps.test")[0] == 404


@pytest.mark.requirement("DP-Q19")
def test_a_push_that_flux_is_told_of_is_applied_within_seconds(platform: Platform) -> None:
    platform.push("two")
    platform.reconcile()
    want = "echo two"
    read = ("get", "deployment", "shop", "--namespace", ENV, "--output", "jsonpath={..command}")
    eventually(lambda: platform.kubectl(*read), lambda text: want in text)
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "two\n"))


def test_a_post_is_not_lost_because_the_app_just_closed_an_idle_connection(platform: Platform) -> None:
    platform.kubectl("apply", "--filename", str(MANIFESTS / "closing.yaml"))
    try:
        eventually(lambda: platform.ask(CLOSING)[0], lambda status: status == 200)
        time.sleep(IDLE)
        assert platform.ask(CLOSING, method="POST")[:2] == (200, "once\n")
    finally:
        platform.kubectl("delete", "--filename", str(MANIFESTS / "closing.yaml"))


def test_a_kustomization_without_an_identity_or_with_a_foreign_source_gets_nowhere(platform: Platform) -> None:
    nobody = eventually(lambda: platform.condition(SYSTEM, "nobody"), lambda found: found.get("status") == "False")
    assert "forbidden" in nobody["message"]
    stranger = eventually(lambda: platform.condition(ENV, "stranger"), lambda found: found.get("status") == "False")
    assert "cross-namespace references have been blocked" in stranger["message"]


def test_each_program_may_do_what_it_is_for(platform: Platform) -> None:
    assert allowed(platform, GIVEN) == GIVEN


def test_no_program_may_do_more_than_it_is_for(platform: Platform) -> None:
    assert allowed(platform, DENIED) == []


def test_the_upkeep_of_the_registry_starts_it_anew_and_changes_nothing_else_of_it(platform: Platform) -> None:
    """Or it could run any image as any account of the namespace."""
    account = f"system:serviceaccount:{SYSTEM}:kilter-registry-upkeep"
    patch = ("patch", "deployment", "kilter-registry", "--namespace", SYSTEM, "--as", account, "--patch")

    def template(**more: object) -> dict[str, object]:
        return {"template": more}

    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-05-01T03:17:05+00:00"}
    restart = json.dumps({"spec": template(metadata={"annotations": restarted})})
    platform.kubectl(*patch, restart, "--dry-run=server")
    other = {"name": "registry", "image": "docker.io/library/registry:2"}
    refused: tuple[dict[str, object], ...] = (
        template(spec={"serviceAccountName": "kilter-operator"}),
        template(spec={"containers": [other]}),
        template(metadata={"labels": {"app": "source-controller"}}),
        template(metadata={"annotations": restarted | {"sidecar.istio.io/inject": "true"}}),
        template(metadata={"annotations": {"kilter.dev/config": "other"}}),
        {"strategy": {"type": "RollingUpdate"}},
        {"replicas": 0},
    )
    for change in refused:
        with pytest.raises(KilterError) as raised:
            platform.kubectl(*patch, json.dumps({"spec": change}), "--dry-run=server")
        assert "change nothing of it" in " ".join((raised.value.why, *raised.value.details))


def test_what_leaves_the_repository_leaves_the_cluster(platform: Platform) -> None:
    platform.push("")
    platform.reconcile()
    eventually(lambda: platform.ask(APP)[0], lambda status: status == 404)
    platform.push("three")
    platform.reconcile()
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "three\n"))


def test_a_deleted_kustomization_takes_along_what_it_applied(platform: Platform) -> None:
    platform.kubectl("delete", "kustomization", ENV, "--namespace", SYSTEM, "--timeout=60s")
    left = platform.kubectl("get", "deployments,services,httproutes", "--namespace", ENV, "--output", "name")
    assert left == ""
    eventually(lambda: platform.ask(APP)[0], lambda status: status == 404)
    platform.apply_flux()
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "three\n"))


@pytest.mark.requirement("DP-Q10")
def test_with_a_certificate_plain_requests_are_sent_to_https(platform: Platform, tmp_path: Path) -> None:
    pair = [str(tmp_path / name) for name in ("tls.crt", "tls.key")]
    subject = ["-subj", "/CN=apps.test", "-addext", "subjectAltName=DNS:*.apps.test"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-out", pair[0], "-keyout", pair[1], *subject]
    subprocess.run(make, check=True, capture_output=True)
    files = (f"--cert={pair[0]}", f"--key={pair[1]}")
    platform.kubectl("create", "secret", "tls", "wildcard", *files, "--namespace", SYSTEM)
    platform.install("--set", "gateway.tls.secretName=wildcard")
    _, _, headers = eventually(lambda: platform.ask(APP), lambda found: found[0] == 301)
    assert headers["location"] == f"https://{APP}/"
    eventually(platform.listeners, lambda found: found == {"http": "True", "https": "True"})
    platform.install()
    platform.await_all()
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "three\n"))


def test_an_upgrade_keeps_passwords_keys_data_and_pods(platform: Platform) -> None:
    before, pods = platform.secrets(), platform.pods()
    platform.install()
    assert platform.secrets() == before
    assert platform.pods() == pods
    assert platform.sql("select x from kept") == "42"
    assert platform.ask(APP)[:2] == (200, "three\n")


def test_an_upgrade_that_would_remove_every_app_is_refused(platform: Platform) -> None:
    """Flux would look into another cluster's folder."""
    with pytest.raises(Failed) as refused:
        platform.install("--set", "cluster=elsewhere")
    assert "makes that ./clusters/elsewhere: every app would be removed" in "".join(refused.value.details)


@pytest.mark.requirement("DP-1", "DP-Q12")
def test_the_command_finds_a_platform_by_its_context_and_updates_it(platform: Platform, tmp_path: Path) -> None:
    home, values = tmp_path / "home", tmp_path / "values.yaml"
    home.mkdir()
    values.write_text(platform.values())
    before = platform.secrets(), platform.pods()
    admin = Kilter(tmp_path, home, extra={"KUBECONFIG": str(platform.kubeconfig)})
    context = platform.kubectl("config", "current-context").strip()
    installed = admin.run(
        "platform", "install", "--context", context, "--cluster-domain", "apps.test", "--image", platform.image,
        "--values", str(values),
    )  # fmt: skip
    assert installed.out.splitlines()[0] == "the platform answers at http://kilter.apps.test"
    assert (platform.secrets(), platform.pods()) == before
    assert admin.json("platform", "status", "--context", context)["ready"] is True
    created = admin.run("platform", "token", "create", "--context", context, "--actor", "mia", "--role", "viewer")
    assert created.out.startswith("kilter_")
    missing = admin.run("platform", "status", "--context", "nowhere", code=6)
    assert "nowhere" in missing.err


def test_flux_of_the_clusters_own_reaches_the_platforms_repository_once_the_chart_is_told(platform: Platform) -> None:
    """With Flux's own labels, from the namespace that its own manifests make."""
    (image,) = (
        each["image"] for each in platform.get("deployment", "kilter-git")["spec"]["template"]["spec"]["containers"]
    )
    pod = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: flux-system}}
---
apiVersion: v1
kind: Pod
metadata: {{name: source-controller, namespace: flux-system, labels: {{app: source-controller}}}}
spec:
  automountServiceAccountToken: false
  containers: [{{name: manager, image: "{image}", imagePullPolicy: IfNotPresent, command: [sleep, "3600"]}}]
"""
    eventually(lambda: platform.kubectl("apply", "--filename", "-", stdin=pod), bool)
    platform.kubectl(
        "wait", "pod/source-controller", "--namespace=flux-system", "--for=condition=Ready", "--timeout=60s"
    )
    connect = f"import socket; socket.create_connection(('kilter-git.{SYSTEM}.svc', 80), timeout=2.5)"
    inside = ("exec", "--namespace", "flux-system", "source-controller", "--", "python", "-c", connect)
    with pytest.raises(KilterError) as refused:
        platform.kubectl(*inside)
    assert "timed out" in " ".join(refused.value.details)
    chart = (str(CHARTS / "kilter-platform"), "--values", "-", "--show-only", "templates/git/git.yaml")
    text = platform.helm("template", "kilter", *chart, "--set", "flux.enabled=false")
    (policy,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "NetworkPolicy")
    platform.kubectl("apply", "--filename", "-", stdin=json.dumps(policy))
    eventually(lambda: platform.kubectl(*inside), lambda said: said == "", within=20)
    platform.kubectl("delete", "namespace", "flux-system", "--wait=false")


def test_removing_leaves_data_secrets_and_definitions_and_installing_takes_them_up(platform: Platform) -> None:
    before = platform.secrets()
    platform.helm("uninstall", "kilter", "--wait")
    platform.helm("uninstall", "kilter-crds")
    platform.kubectl("wait", "--namespace", SYSTEM, "--for=delete", "pod", "--all", "--timeout=120s")
    left = platform.kubectl("get", "deployments,statefulsets,services,roles,networkpolicies", "--namespace", SYSTEM)
    assert left == ""
    assert (
        platform.kubectl(
            "get",
            "clusterroles,clusterrolebindings,apiservices,validatingadmissionpolicies",
            "--selector",
            "app.kubernetes.io/part-of=kilter",
        )
        == ""
    )
    assert platform.kubectl("get", "namespace", "kilter-apps", "--output", "name").strip() == "namespace/kilter-apps"
    assert len(platform.get("pvc")["items"]) == 3
    assert platform.secrets() == before
    assert [platform.is_ending(kind, "kilter") for kind in ("gitrepository", "kustomization")] == [False, False]
    assert "deployment" in platform.kubectl("get", "deployment", "shop", "--namespace", ENV, "--output", "name")
    platform.install()
    platform.await_all()
    assert platform.secrets() == before
    eventually(lambda: platform.sql("select x from kept"), lambda text: text == "42")
    eventually(lambda: platform.ask(APP)[:2], lambda found: found == (200, "three\n"))
    eventually(lambda: platform.condition(SYSTEM, "kilter").get("status"), lambda status: status == "True")
    assert not platform.is_ending("configmap", MARKER)


def test_a_database_whose_password_is_lost_is_not_given_a_new_one(platform: Platform) -> None:
    platform.kubectl("delete", "secret", "kilter-postgres", "--namespace", SYSTEM)
    with pytest.raises(KilterError) as raised:
        platform.install()
    assert "restore the Secret kilter-postgres" in " ".join(
        (str(raised.value), raised.value.why, *raised.value.details)
    )
