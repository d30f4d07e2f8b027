from pathlib import Path

from fakes import FakeRunner
from unit.deploy.server import serving

from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployment, DeployOptions
from kilter.deploy.logins import Login
from kilter.deploy.names import ProjectName
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.tools import docker, images

DIGEST = "sha256:" + "a" * 64
AT = "2026-01-01T00:00:00Z"
INFO = {
    "version": "0.1.0", "min_cli": "0.1.0", "cluster_domain": "localhost", "scheme": "http",
    "default_registry": "localhost:1", "sops_recipients": [], "platforms": [], "network_policy_enforced": None,
    "limits": {"body_bytes": 1, "ready_timeout_seconds": 1},
}  # fmt: skip
GRANTED = {"registry": "localhost:1", "repository": "localhost:1/acme/shop", "username": "kilter", "password": "p"}
ACCEPTED = {"deploy_id": "d-1", "sequence": 1, "release": 1, "url": None, "queue": {"position": 0, "holder": None}}


def test_build_push_and_acceptance_are_timed_each_by_itself(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    tag = "localhost:1/acme/shop:dev-nogit"
    answers = {
        docker.info().argv: '{"ServerVersion": "29"}',
        docker.endpoint().argv: "unix:///run/docker.sock\n",
        ("git", "rev-parse", "HEAD"): Outcome(128, ""),
        images.build(tmp_path, tag, dockerfile=tmp_path / "Dockerfile").argv: "",
        images.push(tag).argv: f"dev-nogit: digest: {DIGEST} size: 1\n",
    }
    table = {
        "GET__/v1/info": [(200, INFO)],
        "POST__/v1/projects/acme/shop/push-credentials": [(201, {**GRANTED, "expires_at": AT})],
        "POST__/v1/projects/acme/shop/envs/dev/deploys": [(202, ACCEPTED)],
    }
    options = DeployOptions(env="dev", wait=False)
    project, name = load(tmp_path / "kilter.yaml"), ProjectName("acme", "shop")
    with serving(**table) as served, Client(Login(served.address, "t")) as client:
        deployed = Deployment(client, FakeRunner(answers), Recorder(), project, name, options).run()
    assert (deployed.deploy_id, deployed.image) == ("d-1", f"localhost:1/acme/shop@{DIGEST}")
    assert list(deployed.seconds) == ["build", "push", "accept"]
