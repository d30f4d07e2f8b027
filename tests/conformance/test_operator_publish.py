"""The operator's own program, with real helm and a real Git service, as an account with its rights and no others."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.repository import READER, WRITER

from kilter.operator import kinds

from .apiserver import ApiServer
from .kilter_apps import SOON, Thing, deploy, gone, phase, there, until
from .pretend import FLUX, Pretend, clear, install
from .real_git import ServedGit, served_git

HELM = os.environ.get("KILTER_TEST_HELM", "") or shutil.which("helm")  # the tests themselves see no KILTER_ variables
RIGHTS = Path(__file__).parent / "platform/operator-rights.yaml"
LOGIN = "canary-login-for-images"
PULL = json.dumps({"auths": {"registry.example.com": {"auth": LOGIN}}})
REDIS: Thing = {"name": "redis", "kind": "redis", "resources": {"memory": "200Mi"}, "values": {"maxMemoryMiB": 77}}
PROBES: Thing = {"liveness": {"type": "exec", "command": ["check"]}}
WORKER: Thing = {"command": ["work"], "vars": {"B": "$(x)"}, "withheld": ["REDIS_URL"], "probes": PROBES}
ROLES = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
}


@dataclass
class Program:
    """The operator as a process."""

    child: "subprocess.Popen[bytes]"
    log: Path


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedGit]:
    if not HELM:
        pytest.skip("KILTER_TEST_HELM names no helm binary: run `make test`")
    with served_git(tmp_path_factory.mktemp("flux")) as served:
        yield served


@pytest.fixture(scope="module")
def platform(api: ApiServer, repository: ServedGit) -> Iterator[Pretend]:
    """The played cluster, whose Flux reads the real repository."""
    install(api)
    with Pretend(api, repository) as pretend:
        yield pretend
    clear(api)


@pytest.fixture(scope="module")
def account(api: ApiServer, platform: Pretend) -> str:
    """The token of a service account with the rights of the operator."""
    accounts = kinds.SERVICE_ACCOUNT.path("kilter-system")
    api.retried("POST", accounts, {"metadata": {"name": "kilter-operator"}})
    subject = {"kind": "ServiceAccount", "name": "kilter-operator", "namespace": "kilter-system"}
    for role in yaml.safe_load_all(RIGHTS.read_text()):
        kind, metadata = role["kind"], role["metadata"]
        place = ROLES[kind].format(metadata.get("namespace"))
        api.retried("POST", place, role)
        if metadata["name"] == "kilter-env":
            continue
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]}
        binding = {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
        api.retried("POST", place.replace("roles", "rolebindings"), binding)
    token: str = api.request("POST", f"{accounts}/kilter-operator/token", {"spec": {}})["status"]["token"]
    return token


@contextmanager
def program(platform: Pretend, repository: ServedGit, account: str, folder: Path) -> Iterator[Program]:
    """Run the operator as it is; whatever becomes of it, it is ended."""
    pull = folder / "pull.json"
    pull.write_text(PULL)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBECONFIG": str(platform.api.kubeconfig("operator", token=account)),
        "KILTER_CLUSTER_DOMAIN": "apps.example.com",
        "KILTER_TLS": "false",
        "KILTER_PUBLIC_PORT": "30080",
        "KILTER_GATEWAY_URL": platform.url,
        "KILTER_ADDRESS": "127.0.0.1",
        "KILTER_PORT": "0",
        "KILTER_GIT_URL": repository.url_served,
        "KILTER_GIT_TOKEN_FILE": str(repository.token),
        "KILTER_GIT_FOLDER": str(folder / "git"),
        "KILTER_HELM": str(HELM),
        "KILTER_PULL_CONFIG_FILE": str(pull),
    }
    log = folder / "operator.log"
    with log.open("ab") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "kilter.operator"], env=environment, stdout=stream, stderr=stream
        )
    try:
        yield Program(child, log)
    finally:
        child.kill()
        child.wait(20)


def values(api: ApiServer, space: str, secret: str) -> dict[str, str]:
    data = api.request("GET", kinds.SECRET.path(space, secret))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


@pytest.mark.requirement("DP-15", "DP-16", "DP-18", "DP-19", "DP-Q16", "DP-Q18", "DP-Q19", "SC-8", "CT-21", "CT-22")
def test_a_kilter_app_becomes_a_commit_and_a_secret_and_answers_at_its_address(
    api: ApiServer, platform: Pretend, repository: ServedGit, account: str, tmp_path: Path
) -> None:
    with program(platform, repository, account, tmp_path) as operator:
        deploy_id = deploy(api, "full", services=[REDIS], processes={"worker": WORKER}, vars={"A": "1"})
        found = until(api, "full", phase("Ready", deploy_id))
        assert found["url"] == "http://full-dev.apps.example.com:30080"
        assert found["git"] == {"path": "apps/acme/full/dev", "commit": repository.commits()[0]}
        source = api.request("GET", kinds.GIT_REPOSITORY.path(FLUX, "kilter"))
        poked = source["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]
        assert poked == repository.commits()[0]
        check_files(repository)
        variables = values(api, "acme-full-dev", "redis-variables")
        password = values(api, "acme-full-dev", "redis-credentials")["password"]
        assert variables == {"REDIS_URL": f"redis://:{password}@redis.acme-full-dev.svc:6379/0"}
        assert values(api, "acme-full-dev", "images.kilter.dev") == {".dockerconfigjson": PULL}
        for secret in (password, LOGIN, WRITER):
            assert secret not in repository.everything()
            assert secret not in operator.log.read_text()
        operator.child.send_signal(signal.SIGTERM)
        assert operator.child.wait(20) == 0


def check_files(repository: ServedGit) -> None:
    folder = "apps/acme/full/dev"
    files = repository.files()
    applied = yaml.safe_load(files[f"{folder}/kustomization.yaml"])["resources"]
    assert applied == [
        "deployment-full-worker.yaml", "deployment-full.yaml", "httproute-full.yaml",
        "networkpolicy-default.kilter.dev.yaml", "networkpolicy-full.yaml", "networkpolicy-redis.yaml",
        "service-full.yaml", "service-redis.yaml", "serviceaccount-full.yaml", "statefulset-redis.yaml",
    ]  # fmt: skip
    beside = {"kustomization.yaml", "kilterapp.yaml", "kilter-receipt.json"}
    assert {path.removeprefix(f"{folder}/") for path in files if path.startswith(folder)} == {*applied, *beside}
    assert yaml.safe_load(files[f"{folder}/kilterapp.yaml"])["spec"]["deployId"] == "full-1"
    worker = yaml.safe_load(files[f"{folder}/deployment-full-worker.yaml"])["spec"]["template"]["spec"]
    assert worker["imagePullSecrets"] == [{"name": "images.kilter.dev"}]
    [container] = worker["containers"]
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "$$(x)"}]
    redis = yaml.safe_load(files[f"{folder}/statefulset-redis.yaml"])["spec"]["template"]["spec"]["containers"][0]
    assert redis["resources"]["limits"]["memory"] == "200Mi"


@pytest.mark.requirement("DP-Q16", "DP-Q25", "F23", "F26")
def test_an_operator_that_was_killed_is_followed_by_one_that_knows_what_was_published(
    api: ApiServer, platform: Pretend, repository: ServedGit, account: str, tmp_path: Path
) -> None:
    """The new leader's clone begins after the commit of the first release; it must know its place all the same."""
    name = "acme-again-dev"
    with program(platform, repository, account, tmp_path) as first:
        until(api, "again", phase("Ready", deploy(api, "again")))
        platform.flux_works = False
        deploy_id = deploy(api, "again", 2)
        found = until(api, "again", phase("Reconciling", deploy_id))
        leader = repository.files()[".kilter/leader"]
        first.child.kill()
        first.child.wait(20)
    api.request("DELETE", kinds.LEASE.path("kilter-system", "kilter-operator"))  # instead of waiting for its end
    with program(platform, repository, account, tmp_path):
        limit = time.monotonic() + SOON
        while repository.files()[".kilter/leader"] <= leader:
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert repository.commits()[0] != found["git"]["commit"]
        platform.flux_works = True
        assert until(api, "again", phase("Ready", deploy_id))["git"] == found["git"]
        applied: Any = api.request("GET", kinds.KUSTOMIZATION.path(FLUX, name))
        pointer = yaml.safe_load(repository.files()[f"clusters/default/envs/{name}.yaml"])
        assert applied["spec"] == pointer["spec"]
        api.request("DELETE", kinds.APP.path("kilter-apps", name))
        gone(api, "again")
        assert not [path for path in repository.names() if "again" in path]
        assert not there(api, kinds.SERVICE_ACCOUNT.path(FLUX, name))


@pytest.mark.requirement("F32")
def test_a_login_that_may_only_read_is_told_of_at_the_lease_until_it_may_write(
    api: ApiServer, platform: Pretend, repository: ServedGit, account: str, tmp_path: Path
) -> None:
    """`kilter platform status` reads it there: Flux can fetch, and nothing else would say so before a deploy."""
    lease, token = kinds.LEASE.path("kilter-system", "kilter-operator"), tmp_path / "token"
    if there(api, lease):
        api.request("DELETE", lease)  # instead of waiting for its end
    token.write_text(READER)

    def said() -> str:
        metadata = api.request("GET", lease)["metadata"] if there(api, lease) else {}
        return str(metadata.get("annotations", {}).get("kilter.dev/repository", ""))

    def await_said(word: str) -> None:
        limit = time.monotonic() + SOON
        while word not in said():
            assert time.monotonic() < limit, said()
            time.sleep(0.1)

    with program(platform, replace(repository, token=token), account, tmp_path):
        await_said("the repository's server refuses the login: it is known, and not allowed to do that")
        token.write_text(WRITER)
        await_said("open")
