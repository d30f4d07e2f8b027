from typing import Any

import pytest
from unit.render.production.support import PLATFORM, REDIS, release

from kilter.catalog.load import chart as catalog_chart
from kilter.catalog.load import entries
from kilter.errors import BadInput, Failed
from kilter.render.charts import chart
from kilter.render.production.manifests import chart_jobs, checked, rendered
from kilter.render.production.services import bindings
from kilter.render.text import dump_all, load_all
from kilter.values import Credentials

OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pw"}, "stringData": {"password": "hidden"}}
SERVER = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "redis", "labels": {"a": "b"}},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
    },
}
GIVEN = release(services=(REDIS,))
BOUND = bindings(GIVEN, entries(), {"redis": Credentials("", "hidden", "")})


@pytest.mark.requirement("DP-16", "DP-Q20", "CT-1")
def test_the_apps_own_chart_is_rendered_first_and_then_one_chart_per_service() -> None:
    jobs = chart_jobs(GIVEN, PLATFORM, BOUND)
    assert [(job.service, job.chart, job.namespace) for job in jobs] == [
        ("shop", chart("kilter-app"), "acme-shop-prod"),
        ("redis", catalog_chart("redis"), "acme-shop-prod"),
    ]
    assert "hidden" not in jobs[0].values_text


@pytest.mark.requirement("DP-Q18", "SC-8")
def test_the_secrets_of_a_service_go_to_the_operator_and_everything_else_to_git() -> None:
    found = rendered(GIVEN, PLATFORM, BOUND, {"shop": dump_all([OBJECT]), "redis": dump_all([SECRET, SERVER])})
    assert set(found.files) == {"app.yaml", "services/redis.yaml"}
    assert "hidden" not in "".join(found.files.values())
    assert "hidden" not in repr(found)
    assert [item["metadata"]["name"] for item in found.secrets] == ["redis-variables", "pw"]
    assert {item["metadata"]["namespace"] for item in found.secrets} == {"acme-shop-prod"}


def test_a_services_objects_get_the_slots_labels_but_what_cannot_change_stays() -> None:
    found = rendered(GIVEN, PLATFORM, BOUND, {"shop": dump_all([OBJECT]), "redis": dump_all([SERVER])})
    (server,) = load_all(found.files["services/redis.yaml"])
    for metadata in (server["metadata"], server["spec"]["template"]["metadata"]):
        assert metadata["labels"].items() >= {"a": "b", "kilter.dev/app": "shop", "kilter.dev/env": "prod"}.items()
    assert server["spec"]["selector"] == SERVER["spec"]["selector"]  # type: ignore[index]
    assert server["spec"]["volumeClaimTemplates"] == [{"metadata": {"name": "data"}}]


@pytest.mark.requirement("Y11", "Y12")
@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"kind": "ClusterRoleBinding"}, "a release has no ClusterRoleBinding"),
        ({"kind": "Namespace"}, "a release has no Namespace"),
        ({"kind": "CustomResourceDefinition"}, "a release has no CustomResourceDefinition"),
        ({"metadata": {"name": "a", "namespace": "kube-system"}}, "it is in the namespace kube-system"),
        ({"kind": "Service", "spec": {"type": "NodePort"}}, "it is of type NodePort"),
        ({"kind": "Secret", "stringData": {"a": "b"}}, "its values would be in git"),
        ({"kind": "Secret", "data": {"a": "Yg=="}}, "its values would be in git"),
    ],
)
def test_what_a_release_may_not_contain_is_refused_by_name(item: dict[str, Any], said: str) -> None:
    whole = {**OBJECT, "metadata": {"name": "a", "namespace": GIVEN.namespace}, **item}
    with pytest.raises(Failed, match="acme/shop/prod rendered") as caught:
        checked(GIVEN, [whole])
    assert said in caught.value.why


def test_an_encrypted_secret_may_be_in_git() -> None:
    metadata = {"name": "a", "namespace": GIVEN.namespace}
    sealed = {**SECRET, "metadata": metadata, "stringData": {"a": "ENC[…]"}, "sops": {"mac": "ENC[…]"}}
    assert checked(GIVEN, [sealed]) == [sealed]


@pytest.mark.requirement("CT-Q13")
def test_a_chart_with_a_hook_is_refused() -> None:
    hook = {**OBJECT, "metadata": {"name": "a", "annotations": {"helm.sh/hook": "post-install"}}}
    with pytest.raises(BadInput, match="has a hook"):
        rendered(GIVEN, PLATFORM, BOUND, {"shop": dump_all([hook]), "redis": ""})
