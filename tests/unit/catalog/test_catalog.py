import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from kilter.catalog.load import chart, entries, load, names, readme
from kilter.catalog.model import Entry, Port, Provision, fill
from kilter.errors import NotFound
from kilter.words import quantity

HOUSE_VALUES = {"name", "project", "type", "image", "ports", "resources", "env"}


def values_of(name: str) -> dict[str, object]:
    values = yaml.safe_load((chart(name) / "values.yaml").read_text())
    assert isinstance(values, dict)
    return values


def schema_of(name: str) -> dict[str, object]:
    schema = json.loads((chart(name) / "values.schema.json").read_text())
    assert isinstance(schema, dict)
    return schema


def templates_of(name: str) -> str:
    return "\n".join(file.read_text() for file in sorted((chart(name) / "templates").iterdir()))


@pytest.mark.requirement("CT-5")
def test_the_catalog_has_postgres_and_redis() -> None:
    assert {"postgres", "redis"} <= set(names())


@pytest.mark.requirement("CT-3")
@pytest.mark.parametrize("name", names())
def test_every_entry_has_its_data_a_chart_and_a_page(name: str) -> None:
    assert load(name).name == name
    assert (chart(name) / "Chart.yaml").is_file()
    assert readme(name).startswith(f"# {load(name).title}\n")


@pytest.mark.requirement("CT-Q9")
def test_an_unknown_entry_is_refused_with_the_nearest_one_and_all_of_them() -> None:
    with pytest.raises(NotFound) as caught:
        load("postgras")
    assert caught.value.why == "did you mean 'postgres'?"
    assert "postgres, redis" in caught.value.hint


def test_no_image_bears_a_digest_that_nobody_published() -> None:
    assert not [image for entry in entries().values() for image in entry.versions.values() if "@" in image]


@pytest.mark.requirement("CT-4")
@pytest.mark.parametrize("name", names())
def test_every_chart_takes_the_house_values_and_refuses_all_others(name: str) -> None:
    schema, values = schema_of(name), values_of(name)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert schema["additionalProperties"] is False
    assert set(properties) >= HOUSE_VALUES | set(load(name).memory_shares)
    assert set(values) <= set(properties)


@pytest.mark.parametrize("name", names())
def test_the_values_of_a_chart_are_those_of_its_entry(name: str) -> None:
    entry, values = load(name), values_of(name)
    assert values["image"] == entry.versions[entry.version]
    assert values["ports"] == {port.name: {"container": port.container, "nodePort": 0} for port in entry.ports}
    assert values["storage"] == entry.storage
    assert set(values["credentials"]) == set(entry.credentials)  # type: ignore[call-overload]


@pytest.mark.requirement("DP-Q20")
def test_an_entry_says_how_a_shared_cluster_provides_it() -> None:
    assert load("postgres").deploy == Provision(by="database")
    assert load("redis").deploy == Provision(by="chart", cpu="100m", memory="256Mi", storage="1Gi")


@pytest.mark.requirement("DP-Q20")
@pytest.mark.parametrize("name", [name for name in names() if (mark := load(name).deploy) and mark.by == "chart"])
def test_an_entry_deployed_by_its_chart_has_no_less_there_than_on_a_laptop(name: str) -> None:
    entry = load(name)
    assert entry.deploy is not None
    assert quantity(entry.deploy.memory) >= quantity(entry.memory)
    assert quantity(entry.deploy.storage or "0") >= quantity(entry.storage or "0")


@pytest.mark.requirement("Y11")
@pytest.mark.parametrize("name", names())
def test_no_chart_opens_a_port_of_the_node_unless_one_is_allotted(name: str) -> None:
    text = templates_of(name)
    assert re.search(r"type: \{\{ if \.Values\.ports\.\w+\.nodePort \}\}NodePort\{\{ else \}\}ClusterIP", text)
    assert "type: NodePort" not in text


@pytest.mark.requirement("CT-Q13")
@pytest.mark.parametrize("name", names())
def test_no_chart_has_hooks(name: str) -> None:
    assert "helm.sh/hook" not in templates_of(name)


@pytest.mark.requirement("CT-15")
@pytest.mark.parametrize("name", names())
def test_every_chart_keeps_the_rules_of_every_pod(name: str) -> None:
    text = templates_of(name)
    for rule in (
        "enableServiceLinks: false",
        "automountServiceAccountToken: false",
        "runAsNonRoot: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "type: RuntimeDefault",
        "terminationGracePeriodSeconds:",
        "startupProbe:",
        "readinessProbe:",
        "livenessProbe:",
        "resources:",
    ):
        assert rule in text


@pytest.mark.parametrize("name", names())
def test_no_chart_puts_a_password_into_a_pod(name: str) -> None:
    pods = (chart(name) / "templates" / "statefulset.yaml").read_text()
    assert "credentials.password" not in pods


def test_a_template_names_ports_and_words() -> None:
    words = {"host": "localhost", "user": "ada"}
    ports = {"main": 1, "admin": 2}
    assert fill("x://{user}@{host}:{port}/{port:admin}", words, ports, "main") == "x://ada@localhost:1/2"


def test_a_filled_template_is_not_filled_again() -> None:
    assert fill("{user}", {"user": "{password}", "password": "secret"}, {}, "main") == "{password}"


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"ports": ()},
        {"variables": {"A": "{what}"}},
        {"variables": {"A": "{port:what}"}},
        {"deploy": Provision(by="chart", memory="1Mi")},
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    entry = Entry(
        name="thing",
        title="Thing",
        description="A thing.",
        version="1",
        versions={"1": "thing:1"},
        ports=(Port(name="main", container=1, primary=True),),
        variables={"THING_URL": "{host}:{port}"},
        memory="1Mi",
    )
    with pytest.raises(ValueError, match="thing"):
        msgspec.structs.replace(entry, **change)


def test_the_charts_are_part_of_the_package() -> None:
    import kilter

    assert chart("postgres").is_relative_to(Path(kilter.__file__).parent)
