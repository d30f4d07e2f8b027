"""A trial platform on this machine and the example shop on it: by kilter, and beside it by hand."""

import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.process import Ended, Failed, run
from bench.shop import user_environment

NODE = "kilter-platform-control-plane"  # there can be one on a machine
PROJECT, ENV = "acme/shop", "dev"
SPACE = "acme-shop-dev"
HOST = "shop-dev.localhost"
HAND, HAND_HOST = "hand", "hand.localhost"
MARK = "bench-hand"  # label of what was made by hand, by its value the Deployment
KEPT = ("replicas", "minReadySeconds", "strategy", "revisionHistoryLimit", "progressDeadlineSeconds")
POLL = 0.05
PATIENCE = 240.0
Thing = dict[str, Any]


@dataclass
class Platform:
    """The platform as its administrator has it, and the shop as its developer does."""

    base: Path
    binary: Path
    given: Mapping[str, str]  # the environment of who measures
    image: str
    port: int = 0  # of everything that it serves
    token: str = field(default="", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of administrator and developer; their HOME is one and the same."""
        return user_environment(self.given, self.base / "home")

    @property
    def source(self) -> Path:
        """The copy of the shop that kilter deploys."""
        return self.base / "shop"

    @cached_property
    def kubectl_binary(self) -> Path:
        """The kubectl that kilter uses."""
        found = sorted((self.base / "home/.cache/kilter/tools.d/kubectl").glob("*/kubectl"))
        if not found:
            raise Failed("kilter has no kubectl of its own here")
        return found[-1]

    def kilter(self, *arguments: str, given: str | None = None) -> Ended:
        """Run kilter in the shop's folder."""
        return run([self.binary, *arguments], self.environment, cwd=self.source, given=given)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Ask the cluster."""
        kubeconfig = self.base / "home/.cache/kilter/platform/kubeconfig"
        return run([self.kubectl_binary, "--kubeconfig", kubeconfig, *arguments], self.environment, given=given).out

    def objects(self, kind: str) -> list[Thing]:
        """Return the environment's objects of a kind."""
        found: list[Thing] = json.loads(self.kubectl("get", kind, "--namespace", SPACE, "--output", "json"))["items"]
        return found

    def install(self) -> None:
        """Make the platform and log in to it."""
        told = self.kilter("platform", "install", "--local", "--image", self.image, "--timeout", "8m").out
        server, token = re.search(r"answers at (\S+)", told), re.search(r"token +(kilter_\S+)", told)
        if server is None or token is None:
            raise Failed(f"the installation told no address, or no token:\n{told}")
        self.port, self.token = int(server[1].rpartition(":")[2]), token[1]
        self.kilter("login", "--server", server[1], "--token", "-", given=token[1] + "\n")

    def uninstall(self) -> None:
        """Remove the images that were built for this platform, and then it, with all that is on it."""
        names = run(["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], self.environment).out.split()
        if self.port and (mine := built(names, self.port)):
            run(["docker", "rmi", "--force", *mine], self.environment, ok=False)
        self.kilter("platform", "uninstall", "--local", "--yes")

    def deploy(self) -> tuple[float, Thing]:
        """Run `kilter deploy`; returns the seconds of the whole command and its document."""
        words = ("deploy", "--project", PROJECT, "--env", ENV, "--timeout", "4m", "--json")
        ended = self.kilter(*words)
        return ended.seconds, json.loads(ended.out)

    def phases(self) -> dict[str, float]:
        """Return how long the newest deploy was in each phase."""
        told = json.loads(self.kilter("releases", "--project", PROJECT, "--env", ENV, "--json").out)
        return phases(told["deploys"][0]["steps"])

    def ask(self, host: str, path: str, method: str = "GET", body: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Send one request to the Gateway; returns status and text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Host": f"{host}:{self.port}"}
        headers |= {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"} if body else {}
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def await_greeting(self, host: str, text: str) -> None:
        """Ask through the Gateway until the shop greets so."""
        limit, last = time.monotonic() + PATIENCE, "nothing"
        while time.monotonic() < limit:
            try:
                status, answer = self.ask(host, "/greeting")
                if (status, answer) == (200, text):
                    return
                last = f"{status} {answer[:200]}"
            except OSError as error:
                last = str(error)
            time.sleep(POLL)
        raise Failed(f"{host} did not greet with {text!r} within {PATIENCE:g} s; the last answer: {last}")


@dataclass
class ByHand:
    """The same app without kilter: a folder, docker, kubectl, and Deployments of the same spec in the same cluster."""

    platform: Platform
    source: Path
    repository: str = ""
    names: tuple[str, ...] = ()  # of the Deployments

    def prepare(self, greeting: str) -> None:
        """Make Deployments with the specs of kilter's, a Service and a route, and wait for their first answer."""
        mine = [one for one in self.platform.objects("deployments") if PROJECT in image_of(one)]
        (route,) = [one for one in self.platform.objects("httproutes") if HOST in one["spec"]["hostnames"]]
        items = [by_hand(one) for one in mine]
        self.names = tuple(one["metadata"]["name"] for one in items)
        self.platform.kubectl("apply", "--filename", "-", given=json.dumps(listed([*items, *around(route)])))
        self.platform.await_greeting(HAND_HOST, greeting)

    @contextmanager
    def logged_in(self) -> Iterator[Mapping[str, str]]:
        """Log in to the registry, which is not measured: a person has done so before."""
        path = f"/v1/projects/{PROJECT}/push-credentials"
        status, text = self.platform.ask("kilter.localhost", path, "POST", {"env": ENV})
        if status != 201:
            raise Failed(f"the platform gives no push credentials: it answers {status}")
        granted = json.loads(text)
        self.repository = granted["repository"]
        environment = self.platform.environment
        endpoint = run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], environment).out
        config = self.platform.base / "docker"
        config.mkdir(exist_ok=True)
        own = environment | {"DOCKER_CONFIG": str(config), "DOCKER_HOST": endpoint.strip()}
        words = ["docker", "login", "--username", granted["username"], "--password-stdin", granted["registry"]]
        run(words, own, given=granted["password"])
        try:
            yield own
        finally:
            (config / "config.json").unlink()

    def deploy(self, number: int, greeting: str) -> dict[str, float]:
        """Build, push, set the image, wait for the answer and for the last pod; returns the seconds of each part.

        `first` and `platform` both begin when the image is set.
        """
        with self.logged_in() as pushing:
            tag = f"{self.repository}:hand-{number}"
            build = ["docker", "build", "--target", "release", "--tag", tag, str(self.source)]
            parts = {"build": run(build, self.platform.environment).seconds}
            parts["push"] = run(["docker", "push", tag], pushing).seconds
            began = time.monotonic()
            targets = [f"deployment/{name}" for name in self.names]
            self.platform.kubectl("set", "image", "--namespace", SPACE, *targets, f"*={tag}")
            self.platform.await_greeting(HAND_HOST, greeting)
            parts["first"] = time.monotonic() - began
            for target in targets:
                self.platform.kubectl("rollout", "status", "--namespace", SPACE, target, "--timeout=4m")
            parts["platform"] = time.monotonic() - began
        return parts


def built(names: Sequence[str], port: int) -> list[str]:
    """Return which images this benchmark has built: for the platform at a port, by hand or for its environment."""
    mine = [f"localhost:{port}/{PROJECT}:{start}-" for start in (HAND, ENV)]
    return [name for name in names if name.startswith(tuple(mine))]


def write_greeting(source: Path, text: str) -> None:
    """Change the line of the shop that is served."""
    (source / "shop" / "greeting.py").write_text(f'"""The line to change."""\n\nGREETING = "{text}"\n')


def phases(steps: Sequence[Mapping[str, str | None]]) -> dict[str, float]:
    """Add up how long each phase lasted; one that has not ended is left out."""
    found: dict[str, float] = {}
    for step in steps:
        phase, began, ended = step["phase"], step["started_at"], step["finished_at"]
        if phase and began and ended:
            seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
            found[phase] = found.get(phase, 0.0) + seconds
    return found


def image_of(deployment: Thing) -> str:
    """Return the image of a Deployment's first container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def by_hand(deployment: Thing) -> Thing:
    """Return a Deployment with the pods of another one, which nothing of kilter's knows."""
    name = HAND + deployment["metadata"]["name"].removeprefix("shop")
    spec, labels = deployment["spec"], {MARK: name}
    pod = {key: value for key, value in spec["template"]["spec"].items() if key != "topologySpreadConstraints"}
    own = {key: spec[key] for key in KEPT if key in spec}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {**own, "selector": {"matchLabels": labels}, "template": template},
    }


def around(route: Thing) -> list[Thing]:
    """Return Service, route and permission for the Deployment by hand, after the route of kilter's."""
    labels = {MARK: HAND}
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    rules = [{"backendRefs": [{"name": HAND, "port": 80}]}]
    made = {
        ("v1", "Service"): {"selector": labels, "ports": ports},
        ("gateway.networking.k8s.io/v1", "HTTPRoute"): {
            "parentRefs": route["spec"]["parentRefs"],
            "hostnames": [HAND_HOST],
            "rules": rules,
        },
        ("networking.k8s.io/v1", "NetworkPolicy"): {"podSelector": {"matchLabels": labels}, "ingress": [{}]},
    }
    return [
        {"apiVersion": version, "kind": kind, "metadata": {"name": HAND}, "spec": spec}
        for (version, kind), spec in made.items()
    ]


def listed(items: Sequence[Thing]) -> Thing:
    """Return objects as one document for kubectl, all in the environment's namespace."""
    placed = [{**one, "metadata": {**one["metadata"], "namespace": SPACE}} for one in items]
    return {"apiVersion": "v1", "kind": "List", "items": placed}
