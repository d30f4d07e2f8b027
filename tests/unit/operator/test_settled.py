"""What becomes of an environment that was Ready: whatever is lost or changes later, and what it tells of that."""

import base64
from typing import Any

import pytest
from unit.operator.acting import NAME, Stage, given

from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.services import CREDENTIALS
from kilter.operator.world import Observed

REDIS = {"services": [{"name": "redis", "kind": "redis", "mode": "scoped"}]}
OWN = {
    "app.kubernetes.io/managed-by": "kilter-operator",
    "kilter.dev/org": "acme", "kilter.dev/app": "shop", "kilter.dev/env": "prod",
}  # fmt: skip
OF_REDIS = ("redis-variables", "redis-credentials")


def with_redis(spec: Any, observed: Observed) -> Rendered:
    """Render the Secrets of a redis."""
    del spec
    data = {"password": base64.b64encode(observed.passwords["redis"].encode()).decode()}
    secrets = tuple(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "data": data,
            "metadata": {"name": name, "namespace": NAME, "labels": OWN},
        }
        for name in OF_REDIS
    )
    return Rendered({"a.yaml": "kind: ConfigMap"}, secrets)


def passwords(stage: Stage) -> list[str]:
    """What the Secrets hold: the operator's own, the app's, the server's."""
    found = [((stage.cluster.secret(name) or {}).get("data") or {}) for name in (CREDENTIALS, *OF_REDIS)]
    return [each.get("redis") or each.get("password", "") for each in found]


@pytest.mark.requirement("F37")
@pytest.mark.parametrize("name", OF_REDIS)
def test_a_secret_of_a_service_that_somebody_deletes_is_made_anew_as_it_was(name: str) -> None:
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    stage.cluster.lose("Secret", name)
    stage.look(times=2)
    assert stage.status.phase == "Ready"
    assert passwords(stage) == before
    assert len(set(before)) == 1


@pytest.mark.requirement("F37")
def test_secrets_that_go_with_their_namespace_come_back_with_one_new_password() -> None:
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    for name in (CREDENTIALS, *OF_REDIS):
        stage.cluster.lose("Secret", name)
    stage.look(times=2)
    assert len(set(passwords(stage))) == 1
    assert "" not in passwords(stage)
    assert passwords(stage) != before


@pytest.mark.requirement("F37")
def test_a_service_keeps_the_password_that_it_runs_with_when_the_operators_own_secret_is_deleted() -> None:
    """Its pods read a new one only when they start again, and those of the app at another time."""
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    stage.cluster.lose("Secret", CREDENTIALS)
    stage.look(times=2)
    assert passwords(stage) == before


@pytest.mark.requirement("F37")
def test_nothing_is_rendered_while_the_secrets_are_there() -> None:
    rendered = []

    def counted(spec: Any, observed: Observed) -> Rendered:
        rendered.append(observed.namespace)
        return with_redis(spec, observed)

    stage = Stage(given(**REDIS), counted).deployed()
    stage.look(times=5)
    assert len(rendered) == 1
