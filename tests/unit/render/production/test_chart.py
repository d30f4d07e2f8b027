"""The chart kilter-app as it lies in the package: its schema and what its templates may not hold."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from golden.release_trees import HERE, SCENARIOS, jobs

import kilter
from kilter.catalog.load import chart as catalog_chart
from kilter.project.rules import quantity
from kilter.render.charts import APP, chart

FREE_MAPS = {"variables", "secretVariables"}  # whose keys are the user's
SCHEMA = json.loads((chart(APP) / "values.schema.json").read_text())
VALIDATOR = jsonschema_rs.Draft7Validator(SCHEMA)
DEFAULTS = yaml.safe_load((chart(APP) / "values.yaml").read_text())


def given(scenario: str) -> dict[str, Any]:
    """The values of a golden release, over the chart's own."""
    return {**DEFAULTS, **yaml.safe_load(jobs(scenario)[0].values_text)}


def with_one_key_more(values: Any, root: Any) -> Iterator[Any]:
    """Yield the whole once per map in it, that map having a key that nobody knows."""
    if isinstance(values, dict):
        values["unknown"] = 1
        yield copy.deepcopy(root)
        del values["unknown"]
        for key, inner in values.items():
            if key not in FREE_MAPS:
                yield from with_one_key_more(inner, root)
    if isinstance(values, list):
        for inner in values:
            yield from with_one_key_more(inner, root)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_values_of_every_golden_release_meet_the_schema(scenario: str) -> None:
    assert [str(fault) for fault in VALIDATOR.iter_errors(given(scenario))] == []


def test_an_unknown_key_is_refused_wherever_it_stands() -> None:
    values = given("everything")
    changed = list(with_one_key_more(values, values))
    assert len(changed) > 40
    assert [each for each in changed if VALIDATOR.is_valid(each)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"image": "registry.example.com/acme/shop:1.0"},
        {"image": "registry.example.com/acme/shop"},
        {"release": {"id": "no label!", "number": 1}},
        {"workloads": []},
        {"org": "Acme"},
        {"security": {"uid": 0, "readOnlyRoot": True, "writable": []}},
        {"egress": [{"ports": [1]}]},
        {"egress": [{"namespace": "a", "blocks": [{"cidr": "10.0.0.0/8"}]}]},
    ],
)
def test_values_that_would_break_a_promise_are_refused(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**given("web-only"), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 2},  # beside the autoscaler
        {"autoscale": None},
        {"port": 70000},
        {"variables": {"1A": "x"}},
        {"variables": {"A": 1}},
        {"secretVariables": {"A": "Not A Secret"}},
        {"probes": {"readiness": {"port": 1, "command": ["x"], "interval": 1, "timeout": 1, "failures": 1}}},
        {"schedule": "@daily"},
        {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    ],
)
def test_a_workload_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    values = given("web-only")
    values["workloads"][0].update(change)
    assert not VALIDATOR.is_valid(values)


CHARTS = [chart(APP), chart("kilter-platform"), *map(catalog_chart, ("postgres", "redis"))]


@pytest.mark.parametrize("place", CHARTS, ids=lambda place: str(place.relative_to(place.parents[2])))
def test_every_amount_that_kilter_yaml_takes_is_one_for_the_charts(place: Path) -> None:
    pattern = json.loads((place / "values.schema.json").read_text())["$defs"]["quantity"]["pattern"]
    amounts = [
        f"{number}{unit}" for number in ("1", "2.5") for unit in ("", "m", *"kMGTPE", *(f"{one}i" for one in "KMGTPE"))
    ]
    assert [amount for amount in amounts if quantity(amount) or not re.search(pattern, amount)] == []
    assert [wrong for wrong in ("1ki", "1K", "1mi", "-1") if re.search(pattern, wrong)] == []


def test_every_default_of_the_chart_is_known_to_its_schema_and_none_makes_a_release() -> None:
    assert set(DEFAULTS) <= set(SCHEMA["properties"])
    assert not VALIDATOR.is_valid(DEFAULTS)
    assert not set(SCHEMA["required"]) & set(DEFAULTS)


@pytest.mark.requirement("CT-Q13", "O5")
def test_the_chart_has_no_hooks_and_asks_neither_the_cluster_nor_the_clock() -> None:
    texts = {file.name: file.read_text() for file in (chart(APP) / "templates").iterdir()}
    words = r"helm\.sh/hook|\b(lookup|now|date\w*|rand\w*|uuid\w*|gen[A-Z]\w*|tpl|Capabilities|getHostByName)\b"
    assert [(file, found) for file, text in texts.items() for found in re.findall(words, text)] == []
    assert not (chart(APP) / "templates" / "NOTES.txt").exists()
    assert not (chart(APP) / "crds").exists()


def test_the_chart_is_part_of_the_package() -> None:
    assert chart(APP).is_relative_to(Path(kilter.__file__).parent)
    assert (HERE / "web-only" / "charts" / "shop.yaml").is_file()
