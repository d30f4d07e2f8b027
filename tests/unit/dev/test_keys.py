"""No key of kilter.yaml is accepted and then ignored in silence: it has an effect, a word, or is for the platform."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from unit.dev.support import workspace
from unit.docs.test_docs import generator

from kilter.dev import rendering
from kilter.dev.notices import notices, refuse_unmet
from kilter.dev.rendering import options_of
from kilter.project.load import InvalidProject
from kilter.project.unused import DEPLOY_SIDE, UNUSED
from kilter.render.tree import render

APP = "image: acme/shop:1\nport: 8000\n"
WEB = "components: {web: {image: acme/web:1, port: 8000%s}}\n"
TWO = (
    "components: {web: {image: acme/web:1, port: 1}, api: {image: acme/api:1, port: 2%s}}\n"
    "processes: {worker: {command: [run]}}\n"
)
BUILT = "components: {web: {port: 8000%s}}\n"
WORKER = APP + "processes: {worker: {command: [run]%s}}\n"
POSTGRES = "services: {postgres: {%s}}\n"

# For each key that a local command acts on: two files that differ in it, and must give different renderings.
EFFECTS: Mapping[str, tuple[str, str]] = {
    "name": (APP, APP + "name: other\n"),
    "cluster": (APP, APP + "cluster: {image: kindest/node:v1}\n"),
    "cluster.image": (APP, APP + "cluster: {image: kindest/node:v1}\n"),
    "services": ("services: {}\n", POSTGRES % ""),
    "services.<name>.type": ("services: {db: {type: postgres}}\n", "services: {db: {type: redis}}\n"),
    "services.<name>.version": (POSTGRES % "", POSTGRES % "version: '16'"),
    "services.<name>.image": (POSTGRES % "", POSTGRES % "image: mine:1"),
    "services.<name>.port": (POSTGRES % "", POSTGRES % "port: 5433"),
    "services.<name>.env": (POSTGRES % "", POSTGRES % "env: {A: b}"),
    "services.<name>.hostPort": (POSTGRES % "", POSTGRES % "hostPort: 32065"),
    "services.<name>.resources": (POSTGRES % "", POSTGRES % "resources: {memory: 1Gi}"),
    "services.<name>.storage": (POSTGRES % "", POSTGRES % "storage: 9Gi"),
    "services.<name>.values": (POSTGRES % "", POSTGRES % "values: {parameters: {log_statement: all}}"),
    "image": (APP, APP.replace(":1", ":2")),
    "port": (APP, APP.replace("8000", "9000")),
    "env": (APP, APP + "env: {A: b}\n"),
    "components": (APP, WEB % ""),
    "components.<name>.path": (BUILT % "", BUILT % ", path: web"),
    "components.<name>.dockerfile": (BUILT % "", BUILT % ", dockerfile: Other"),
    "components.<name>.image": (WEB % "", WEB.replace(":1", ":2") % ""),
    "components.<name>.port": (WEB % "", WEB.replace("8000", "9000") % ""),
    "components.<name>.command": (WEB % "", WEB % ", command: [run]"),
    "components.<name>.env": (WEB % "", WEB % ", env: {A: b}"),
    "components.<name>.primary": (TWO % "", TWO % ", primary: true"),
    "components.<name>.resources": (WEB % "", WEB % ", resources: {memory: 1Gi}"),
    "components.<name>.resources.cpu": (WEB % "", WEB % ", resources: {cpu: '3'}"),
    "components.<name>.resources.memory": (WEB % "", WEB % ", resources: {memory: 3Gi}"),
    "services.<name>.resources.cpu": (POSTGRES % "", POSTGRES % "resources: {cpu: '3'}"),
    "services.<name>.resources.memory": (POSTGRES % "", POSTGRES % "resources: {memory: 3Gi}"),
    "processes": (APP, WORKER % ""),
    "processes.<name>.command": (WORKER % "", WORKER.replace("[run]", "[walk]") % ""),
    "processes.<name>.port": (WORKER % "", WORKER % ", port: 9000"),
    "processes.<name>.image": (WORKER % "", WORKER % ", image: acme/worker:1"),
    "processes.<name>.env": (WORKER % "", WORKER % ", env: {A: b}"),
    "processes.<name>.replicas": (WORKER % "", WORKER % ", replicas: 3"),
    "processes.<name>.resources": (WORKER % "", WORKER % ", resources: {memory: 1Gi}"),
    "processes.<name>.resources.cpu": (WORKER % "", WORKER % ", resources: {cpu: '3'}"),
    "processes.<name>.resources.memory": (WORKER % "", WORKER % ", resources: {memory: 3Gi}"),
    "processes.<name>.schedule": (WORKER % "", WORKER % ", schedule: 0 3 * * *"),
}
FACTS = {key.path: key.fact for key in UNUSED}
# Acted on elsewhere than in the rendering: checked on reading, and set and removed by `stop` and `up`.
ELSEWHERE = {"version", "cluster.stopped"}


def paths() -> set[str]:
    """Every key of the schema, by its path."""
    schema = generator().json_schema()
    return {
        f"{place}.{key}".lstrip(".")
        for title, places in generator().find_places(schema).items()
        for place in places
        for key in schema["$defs"][title]["properties"]
    }


def rendered(folder: Path, text: str) -> dict[str, str]:
    """What the project of a text is rendered to, in a directory that has all that the texts name."""
    root = folder / "shop"
    (root / "web").mkdir(parents=True, exist_ok=True)
    for file in ("Dockerfile", "web/Dockerfile", "Other"):
        (root / file).write_text(f"FROM scratch AS x{len(file)}\nEXPOSE 8000\n")
    opened = workspace(folder, text=text)
    return render(opened.plan, {service.name: "" for service in opened.plan.services}, options_of(opened))


def covered(path: str, keys: set[str]) -> bool:
    """Tell whether a key or one above it is among the keys."""
    words = path.replace("[]", "").split(".")
    return any(".".join(words[:length]) in keys for length in range(1, len(words) + 1))


@pytest.fixture(autouse=True)
def ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask this machine for no address of its own."""
    monkeypatch.setattr(rendering, "has_ipv6", lambda: True)


def test_every_key_is_acted_on_or_for_the_platform_or_told_of() -> None:
    apart = {key.path for key in UNUSED} | DEPLOY_SIDE
    assert {path for path in paths() if not covered(path, apart)} == EFFECTS.keys() | ELSEWHERE
    assert apart <= paths()
    assert apart.isdisjoint(EFFECTS)


@pytest.mark.parametrize("path", EFFECTS)
def test_a_key_that_is_acted_on_changes_what_is_rendered(path: str, tmp_path: Path) -> None:
    before, after = EFFECTS[path]
    assert rendered(tmp_path, before) != rendered(tmp_path, after)


@pytest.mark.requirement("PP-2")
@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cluster:\n  provider: k3d\n", "kilter.yaml:2:3 cluster.provider: not in this release: this release makes"),
        ("cluster: {servers: 3}\n", "kilter.yaml:1:11 cluster.servers: not in this release: "),
        ("cluster: {agents: 2}\n", "kilter.yaml:1:11 cluster.agents: not in this release: "),
        ("cluster: {httpPort: 8080}\n", "kilter.yaml:1:11 cluster.httpPort: not in this release: "),
        ("cluster: {httpsPort: 8443}\n", "kilter.yaml:1:11 cluster.httpsPort: not in this release: "),
    ],
)
def test_up_refuses_at_its_place_what_it_would_silently_do_in_another_way(
    text: str, fault: str, tmp_path: Path
) -> None:
    opened = workspace(tmp_path, text=text + APP)
    with pytest.raises(InvalidProject) as caught:
        refuse_unmet(opened.project)
    [found] = caught.value.faults
    assert str(found).startswith(fault)


def test_all_refusals_come_at_once(tmp_path: Path) -> None:
    text = "cluster: {provider: k3d, servers: 1, agents: 2, httpPort: 8080}\n" + APP
    with pytest.raises(InvalidProject, match="has 3 faults"):
        refuse_unmet(workspace(tmp_path, text=text).project)


@pytest.mark.parametrize(
    "text", ["", "cluster: {provider: kind, servers: 1, agents: 0}\n", "cluster: {stopped: true}\n", "detect: false\n"]
)
def test_asking_for_what_happens_anyway_is_fine_and_nothing_is_told(text: str, tmp_path: Path) -> None:
    opened = workspace(tmp_path, text=text + APP)
    refuse_unmet(opened.project)
    assert list(notices(opened)) == []


def test_what_does_no_harm_is_named_with_its_place_and_the_fact(tmp_path: Path) -> None:
    text = (
        APP + "detect: true\nprocesses:\n  a: {command: [x], probes: {liveness: {path: /live}}}\n  b: {command: [x]}\n"
    )
    opened = workspace(tmp_path, text=text)
    refuse_unmet(opened.project)
    detect, probes = notices(opened)
    assert detect == f"kilter.yaml:3:1 detect: without effect here: {FACTS['detect']}"
    assert probes == f"kilter.yaml:5:21 processes.a.probes: without effect here: {FACTS['processes.<name>.probes']}"


def test_what_is_for_the_platform_is_passed_over_in_silence(tmp_path: Path) -> None:
    text = APP + "app: acme/shop\npublic: false\nseed: [a.sql]\nprofile: basic\nenvironments: {prod: {public: true}}\n"
    assert list(notices(workspace(tmp_path, text=text))) == []


def test_a_version_beside_an_image_is_said_to_choose_nothing(tmp_path: Path) -> None:
    services = "services:\n  redis: {version: '8', image: redis:7}\n  postgres: {version: '17', image: null}\n"
    [told] = notices(workspace(tmp_path, text=APP + services))
    fact = "the service runs what its `image` names"
    assert told == f"kilter.yaml:4:11 services.redis.version: without effect here: {fact}"
